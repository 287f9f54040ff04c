from __future__ import annotations

import pytest
import torch

from bundle.losses import DenoisingLoss
from bundle.networks import DenoisingNet
from bundle.networks.denoising import coarse_noise
from tests.networks.reconstruction_toy import overfit, squared_error, toy_brains


def test_noise_on_its_own_grid_is_normal_and_shifted():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noise = coarse_noise((400, 1, 16, 16), 16)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.01)
    assert noise.std().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("spatial", [(32, 48), (16, 16, 24)], ids=["2d", "3d"])
def test_enlarged_noise_is_linear_between_its_points(spatial):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noise = coarse_noise((2, 1, *spatial), 4)
    assert noise.shape == (2, 1, *spatial)
    bends = (noise.diff(n=2, dim=2).abs() > 1e-5).double().mean().item()
    assert 0 < bends <= 10 / (spatial[0] - 2)  # two at each of four points, and two at the seam of the shift


def test_noise_covers_the_brain_alone():
    network, images = DenoisingNet([32, 32], channels=[4, 8, 8], groups=2), toy_brains()
    seen = []
    network.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    output = network.train()(images)
    differs = seen[0] != output["target"]
    assert not differs[~output["brain"]].any() and differs[output["brain"]].double().mean() > 0.99
    network.eval()(images)
    assert torch.equal(seen[1], output["target"])


def test_overfits_eight_images():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, images = DenoisingNet([32, 32], channels=[8, 16, 32], groups=4), toy_brains()
        before = squared_error(network, images, everywhere=False)  # where it is trained
        overfit(network, DenoisingLoss(), images, iterations=60)
    assert squared_error(network, images, everywhere=False) < before / 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": [32, 36]}, r"multiple of 8, got \[32, 36\]"),
        ({"noise_deviation": 0.0}, "got deviation 0.0 and 16 cells"),
        ({"noise_cells": 0}, "got deviation 0.2 and 0 cells"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DenoisingNet(**{"image_size": [32, 32], "channels": [8, 16, 32, 64], **options})
