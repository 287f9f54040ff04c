from __future__ import annotations

import math

import pytest
import torch

from bundle.losses import AttentionSizeLoss, AutoencoderLoss
from bundle.losses.log_barrier import log_barrier
from bundle.networks.attention_vae import ATTENTION
from bundle.networks.reconstruction import LOG_VARIANCE, MEAN, RECONSTRUCTION, TARGET


def by_hand(z: float, t: float) -> float:
    if z <= -1 / t**2:
        return -math.log(-z) / t
    return t * z - math.log(1 / t**2) / t + 1 / t


@pytest.mark.parametrize("t", [0.5, 1.0, 20.0])
def test_barrier_on_both_sides_of_its_joint(t):
    joint = -1 / t**2
    values = [joint * 50, joint * 1.5, joint * 1.001, joint, joint * 0.999, joint / 2, 0.0, 0.3, 4.0]
    z = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(log_barrier(z, t), torch.tensor([by_hand(v, t) for v in values], dtype=torch.float64))


@pytest.mark.parametrize("t", [1.0, 20.0])
def test_barrier_is_smooth_at_its_joint_and_finite_beyond(t):
    z = torch.tensor([-(1 + 1e-9) / t**2, -(1 - 1e-9) / t**2, 0.0, 10.0], dtype=torch.float64, requires_grad=True)
    value = log_barrier(z, t)
    (slope,) = torch.autograd.grad(value.sum(), z)
    torch.testing.assert_close(value[0], value[1], atol=1e-7, rtol=0)
    torch.testing.assert_close(slope, torch.full_like(slope, t), rtol=1e-6, atol=0)  # -1 / (t z) is t at the joint


def test_loss_by_hand():
    """Attentions of logit(0.9) and logit(0.7) everywhere: one satisfies the constraint of 0.8, one does not."""
    attention = torch.logit(torch.tensor([0.9, 0.7])).reshape(2, 1, 1, 1).expand(2, 1, 3, 3)
    pred = {
        RECONSTRUCTION: torch.randn(2, 1, 4, 4),
        TARGET: torch.rand(2, 1, 4, 4),
        MEAN: torch.randn(2, 3),
        LOG_VARIANCE: torch.randn(2, 3),
        ATTENTION: attention,
    }
    loss = AttentionSizeLoss(alpha=10.0, left_out=0.2, sharpness=20.0, kl_weight=0.5)
    barrier = (by_hand(-0.1, 20.0) + by_hand(0.1, 20.0)) / 2
    torch.testing.assert_close(loss(pred), AutoencoderLoss(0.5)(pred) + 10.0 * barrier)
    assert loss.parts["attention_size"].item() == pytest.approx(0.8)
    assert loss.parts["attention_barrier"].item() == pytest.approx(barrier, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0, got -1.0"),
        ({"left_out": 1.0}, "left_out must be between 0 and 1, got 1.0"),
        ({"sharpness": 0.0}, "sharpness must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionSizeLoss(**options)
