from __future__ import annotations

import torch
from monai.engines import SupervisedTrainer

from bundle.handlers import ConvexityHandler
from bundle.networks import AttributionNet, PatchGANClassifier


def train(convex: bool) -> PatchGANClassifier:
    """Three steps so long that the weights change their signs."""
    torch.manual_seed(0)
    classifier = PatchGANClassifier(2, 1, (4, 4), (2, 2, 1), norm="none", initialisation="kaiming", convex=convex)
    network = AttributionNet(classifier)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        epoch_length=3,
        train_data_loader=[{"image": torch.randn(2, 1, 24, 24), "label": torch.zeros(2, 1)}] * 3,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=0.5),
        loss_function=lambda pred, target: pred[:, -1].square().mean(),
        train_handlers=[ConvexityHandler(torch.nn.Sequential(network))],  # wrapped, as for several processes
    )
    trainer.run()
    return classifier


def test_weights_stay_those_of_a_convex_network():
    later = [block.conv.weight for block in list(train(convex=True).blocks)[1:]]
    assert all((weight >= 0).all() for weight in later)
    assert any((weight == 0).any() for weight in later)  # some were projected


def test_other_classifiers_keep_their_weights():
    assert all((block.conv.weight < 0).any() for block in list(train(convex=False).blocks)[1:])


def test_networks_without_classifier_are_left_alone():
    assert ConvexityHandler(torch.nn.Linear(2, 2)).classifiers == []
