"""What the trainer's own options do to a constrained training: they change its speed, not its result."""

from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedTrainer

from bundle.data.batches import PrepareHealthyAttribution
from bundle.losses import AttributionConstraintLoss
from bundle.networks import AttributionNet, PatchGANClassifier


def train(use_checkpoint: bool = False, compiled: bool = False) -> torch.Tensor:
    """Train two iterations and return all weights."""
    torch.manual_seed(0)
    layers = {"channels": (4, 8), "strides": (2, 1, 1), "norm": "group", "norm_groups": 2}
    classifier = PatchGANClassifier(2, intensity_knots=(0.0, 1.0), use_checkpoint=use_checkpoint, **layers)
    images = torch.randn(8, 1, 20, 24, generator=torch.Generator().manual_seed(1))
    data = [{"image": MetaTensor(image), "label": number % 2} for number, image in enumerate(images)]
    loss = AttributionConstraintLoss(1.0, sharpness=8.0)
    SupervisedTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=DataLoader(Dataset(data), batch_size=4),
        network=AttributionNet(classifier),
        optimizer=torch.optim.SGD(classifier.parameters(), 0.1),
        loss_function=torch.compile(loss, backend="eager", fullgraph=True, disable=not compiled),
        prepare_batch=PrepareHealthyAttribution(),
        compile=compiled,
        compile_kwargs={"backend": "eager", "fullgraph": True},
    ).run()
    return torch.cat([parameter.detach().flatten() for parameter in classifier.parameters()])


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # the compiler's own, about the loss's argument
def test_compiled_training_gives_the_same_weights():
    torch.testing.assert_close(train(compiled=True), train(), rtol=1e-5, atol=1e-7)


def test_checkpointed_training_gives_the_same_weights():
    torch.testing.assert_close(train(use_checkpoint=True), train(), rtol=1e-5, atol=1e-7)
