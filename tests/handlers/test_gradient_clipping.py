from __future__ import annotations

import pytest
import torch
from monai.engines import SupervisedTrainer

from bundle.handlers import GradientClippingHandler


def train_one_step(max_norm):
    """One step of plain gradient descent at learning rate 1 on w * 10 -> w must fall by the clipped gradient."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": torch.full((1, 1), 10.0), "label": torch.zeros(1, 1)}],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda pred, target: (pred - target).sum(),
        train_handlers=[GradientClippingHandler(network.parameters(), max_norm)],
        epoch_length=1,
    )
    trainer.run()
    return network.weight.item()


@pytest.mark.parametrize(("max_norm", "expected"), [(2.0, -2.0), (20.0, -10.0)], ids=["longer", "shorter"])
def test_step_is_no_longer_than_the_norm(max_norm, expected):
    assert train_one_step(max_norm) == pytest.approx(expected, rel=1e-5)


def test_gradients_of_mixed_precision_are_brought_to_scale():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([30.0, 40.0])

    class Engine:
        optimizer = None

        class scaler_:  # noqa: N801 (MONAI's name)
            @staticmethod
            def unscale_(optimizer):
                parameter.grad /= 10.0

    GradientClippingHandler([parameter], 2.5)(Engine())
    torch.testing.assert_close(parameter.grad, torch.tensor([1.5, 2.0]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("max_norm", [0.0, -1.0])
def test_norm_must_be_positive(max_norm):
    with pytest.raises(ValueError, match=f"got {max_norm}"):
        GradientClippingHandler([], max_norm)
