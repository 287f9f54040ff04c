from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.losses import EncoderLoss
from bundle.losses.adversarial import critic_loss, gradient_penalty
from bundle.networks.f_anogan import FEATURES, RECONSTRUCTED_FEATURES
from bundle.networks.reconstruction import RECONSTRUCTION, TARGET


def test_critic_loss_by_hand():
    assert critic_loss(torch.tensor([[3.0], [1.0]]), torch.tensor([[0.5], [-0.5]])) == -2.0


def test_penalty_of_a_linear_critic():
    """The gradient is the weight everywhere, so the penalty is (|w| - 1)²."""
    critic = nn.Linear(6, 1).double()
    real, fake = torch.randn(2, 4, 6, dtype=torch.float64)
    expected = (critic.weight.norm() - 1) ** 2
    penalty = gradient_penalty(critic, real, fake, torch.rand(4, dtype=torch.float64))
    torch.testing.assert_close(penalty, expected)
    (found,) = torch.autograd.grad(penalty, critic.weight)
    (wanted,) = torch.autograd.grad(expected, critic.weight)
    torch.testing.assert_close(found, wanted)


def test_penalty_is_taken_between_the_images():
    """The critic sum x² / 2 has the gradient x, so each image counts with the norm of its point."""
    real, fake = torch.randn(2, 3, 1, 2, 2, dtype=torch.float64)
    share = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    points = [fake[0], 0.25 * real[1] + 0.75 * fake[1], real[2]]
    expected = sum((point.norm() - 1) ** 2 for point in points) / 3
    found = gradient_penalty(lambda x: x.square().flatten(1).sum(1) / 2, real, fake, share)
    torch.testing.assert_close(found, expected)


def test_encoder_loss_by_hand():
    pred = {
        RECONSTRUCTION: torch.full((2, 1, 3, 3), 0.5),
        TARGET: torch.zeros(2, 1, 3, 3),
        FEATURES: torch.zeros(2, 4, 1, 1),
        RECONSTRUCTED_FEATURES: torch.full((2, 4, 1, 1), 2.0),
    }
    loss = EncoderLoss(feature_weight=0.1)
    assert loss(pred).item() == pytest.approx(0.25 + 0.4)
    assert {name: part.item() for name, part in loss.parts.items()} == {
        "reconstruction_loss": 0.25,
        "feature_loss": 4.0,
    }


def test_wrong_weight():
    with pytest.raises(ValueError, match=r"feature_weight must be a finite number of at least 0, got -0\.5"):
        EncoderLoss(-0.5)
