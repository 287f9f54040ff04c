from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from bundle.losses import AutoencoderLoss, DenoisingLoss
from bundle.losses.reconstruction import brain_squared_error, cross_entropy_per_voxel, kl_divergence
from bundle.networks.reconstruction import BRAIN, LOG_VARIANCE, MEAN, RECONSTRUCTION, TARGET


def test_cross_entropy_is_its_definition():
    logit, image = torch.randn(2, 1, 3, 4, dtype=torch.float64), torch.rand(2, 1, 3, 4, dtype=torch.float64)
    p = 1 / (1 + torch.exp(-logit))
    expected = -(image * p.log() + (1 - image) * (1 - p).log()).sum() / 24
    torch.testing.assert_close(cross_entropy_per_voxel(logit, image), expected)


def test_divergence_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(2, 5, 7, dtype=torch.float64)
    found = torch_kl(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(()).double(), 1.0))
    torch.testing.assert_close(kl_divergence(mean, log_variance), found.sum(1).mean())
    assert kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_squared_error_counts_the_brain_alone():
    image, brain = torch.zeros(1, 1, 2, 2), torch.tensor([[[[True, True], [False, False]]]])
    reconstruction = torch.tensor([[[[1.0, 3.0], [9.0, 9.0]]]])
    assert brain_squared_error(reconstruction, image, brain) == 5.0
    assert brain_squared_error(reconstruction, image, torch.zeros_like(brain)) == 0.0


def test_loss_is_the_evidence_lower_bound_per_voxel():
    """For one image of N voxels: the sum of the cross entropies plus the divergence, divided by N."""
    logit, image = torch.randn(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    mean, log_variance = torch.randn(1, 6), torch.randn(1, 6)
    pred = {RECONSTRUCTION: logit, TARGET: image, MEAN: mean, LOG_VARIANCE: log_variance}
    entropy = -(image * torch.sigmoid(logit).log() + (1 - image) * torch.sigmoid(-logit).log()).sum()
    divergence = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
    loss = AutoencoderLoss(kl_weight=2.0)
    torch.testing.assert_close(loss(pred), (entropy + 2.0 * divergence) / 16)
    torch.testing.assert_close(loss.parts, {"reconstruction_loss": entropy / 16, "kl_divergence": divergence})


def test_loss_without_a_distribution_is_the_cross_entropy():
    loss = AutoencoderLoss()
    value = loss({RECONSTRUCTION: torch.zeros(2, 1, 3, 3), TARGET: torch.rand(2, 1, 3, 3)})
    assert value.item() == pytest.approx(math.log(2)) and list(loss.parts) == ["reconstruction_loss"]


def test_denoising_loss():
    pred = {RECONSTRUCTION: torch.full((1, 1, 2, 2), 0.5), TARGET: torch.zeros(1, 1, 2, 2)}
    loss = DenoisingLoss()
    assert loss({**pred, BRAIN: torch.ones(1, 1, 2, 2, dtype=torch.bool)}) == 0.25
    assert loss.parts["reconstruction_loss"] == 0.25


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_wrong_weight(weight):
    with pytest.raises(ValueError, match=f"kl_weight must be a finite number of at least 0, got {weight}"):
        AutoencoderLoss(weight)
