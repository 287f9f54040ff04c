from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage
from torch import nn

from bundle.conventions import split_prediction
from bundle.losses import AutoencoderLoss
from bundle.networks import AutoencoderNet
from bundle.networks.reconstruction import (
    BRAIN,
    LOG_VARIANCE,
    RECONSTRUCTION,
    TARGET,
    ReconstructionNet,
    training_output,
)
from tests.networks.reconstruction_toy import error_of_the_mean, overfit, squared_error, toy_brains


class Dimmed(ReconstructionNet):
    """Reconstructs every image a tenth darker, background included."""

    def __init__(self, **options):
        super().__init__(nn.Identity(), [16, 16], intensity_range=(-1.0, 1.0), **options)

    def _objective(self, image, brain):
        return {RECONSTRUCTION: image - 0.1}

    def _reconstruct(self, image):
        return image - 0.1


@pytest.fixture
def image():
    """A disc of 0.4 with a hole at the median and a spot beyond the range."""
    x = torch.zeros(1, 1, 12, 14)
    x[:, :, 2:10, 2:12] = 0.4
    x[0, 0, 5, 5] = 0.0
    x[0, 0, 7, 7] = 5.0
    return x


def test_map_is_the_residual_inside_the_eroded_brain(image):
    network = Dimmed().eval()
    maps, score = split_prediction(network(image))
    expected = torch.zeros_like(image)
    expected[:, :, 3:9, 3:11] = 0.1
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(score, torch.tensor([[0.1]]))


@pytest.mark.parametrize(("scoring", "sign"), [("absolute", 1.0), ("signed", -1.0)])
def test_scoring(image, scoring, sign):
    class Brightened(Dimmed):
        def _reconstruct(self, image):
            return image + 0.1

    maps, _ = split_prediction(Brightened(scoring=scoring).eval()(image))
    torch.testing.assert_close(maps[0, 0, 4, 4], torch.tensor(sign * 0.1))


def test_image_score_is_over_the_brain_alone(image):
    class Spotted(Dimmed):
        def _reconstruct(self, image):
            return image * 0.5

    maps, _ = split_prediction(Spotted().eval()(image))
    inside = maps[0, 0, 3:9, 3:11].double()
    for name, expected in (("mean", inside.mean()), ("deviation", inside.std(correction=0))):
        _, score = split_prediction(Spotted(image_score=name).eval()(image))
        torch.testing.assert_close(score.double().squeeze(), expected, atol=1e-6, rtol=0)


def test_median_filter_is_that_of_scipy(image):
    class Noisy(Dimmed):
        def _reconstruct(self, image):
            return image - torch.rand(image.shape, generator=torch.Generator().manual_seed(1))

    raw, _ = split_prediction(Noisy(erosion=1).eval()(image))
    smooth, _ = split_prediction(Noisy(erosion=1, median=3).eval()(image))
    expected = ndimage.median_filter(raw[0, 0].numpy(), 3)
    torch.testing.assert_close(smooth[0, 0, 4:8, 4:10], torch.from_numpy(expected)[4:8, 4:10])


def test_volumes_are_scored_slice_by_slice(image):
    volume = torch.stack([image, torch.zeros_like(image), image * 2, image], dim=-1)
    network = Dimmed().eval()
    maps, score = split_prediction(network(volume))
    for index in range(4):
        torch.testing.assert_close(maps[..., index], split_prediction(network(volume[..., index]))[0])
    torch.testing.assert_close(score, torch.tensor([[0.1]]))  # an empty slice does not count


def test_training_takes_random_slices_with_brain(image):
    volume = torch.stack([torch.zeros_like(image), image * 0.5, image * 2], dim=-1)
    network = Dimmed(slices_per_volume=40).train()
    output = network(torch.cat([volume, volume]))
    assert output[TARGET].shape == (80, 1, 16, 16) and output[BRAIN].flatten(1).any(1).all()
    assert sorted(set(output[TARGET][:, 0, 5, 5].tolist())) == pytest.approx([0.6, 0.9])
    network.eval()
    first, second = (training_output(volume, network)[TARGET] for _ in range(2))
    assert torch.equal(first, second)


def test_metadata_of_the_image_stays(image):
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    pred = Dimmed().eval()(MetaTensor(image, affine=affine))
    assert isinstance(pred, MetaTensor) and torch.equal(pred.affine, affine)


def test_reconstruct_returns_both_on_the_image_grid(image):
    target, reconstruction = Dimmed().eval().reconstruct(image)
    assert target.shape == reconstruction.shape == image.shape
    torch.testing.assert_close(target[0, 0, 4, 4], torch.tensor(0.7))
    torch.testing.assert_close(reconstruction[0, 0, 4, 4], torch.tensor(0.6))


@pytest.mark.parametrize("variational", [False, True], ids=["ae", "vae"])
def test_overfits_eight_images(variational):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, images = AutoencoderNet([32, 32], width=16, variational=variational), toy_brains()
        before, after = overfit(network, AutoencoderLoss(kl_weight=0.1), images, iterations=120)
    assert after < before / 10
    assert squared_error(network, images, everywhere=False) < error_of_the_mean(
        network, images
    )  # each image has a reconstruction of its own


def test_codes_are_drawn_in_training_alone():
    network = AutoencoderNet([32, 32], width=4, variational=True)
    images = toy_brains(32, 2)
    network.eval()
    assert torch.equal(network(images), network(images))
    target, _ = network.training_images(images)
    torch.testing.assert_close(network.training_output(images)[RECONSTRUCTION], network.model(target))
    first, second = (network.train()(images) for _ in range(2))
    assert not torch.equal(first[RECONSTRUCTION], second[RECONSTRUCTION])
    assert LOG_VARIANCE in first and LOG_VARIANCE not in AutoencoderNet([32, 32], width=4).train()(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scoring": "squared"}, "scoring must be one of absolute, signed, got 'squared'"),
        ({"image_score": "max"}, "image_score must be one of mean, deviation, got 'max'"),
        ({"erosion": 6}, "erosion must be an odd number of voxels, got 6"),
        ({"median": 0}, "median must be an odd number of voxels, got 0"),
        ({"slices_per_volume": 0}, "slices_per_volume must be at least 1, got 0"),
        ({"intensity_range": [1.0, -1.0]}, r"two rising intensities, got \[1.0, -1.0\]"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderNet([32, 32], width=4, **options)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"2 or 3 axes, got \[32\]"):
        ReconstructionNet(nn.Identity(), [32])
    for shape in ((1, 2, 12, 14), (1, 1, 12)):
        with pytest.raises(ValueError, match=rf"got shape \({', '.join(map(str, shape))}\)"):
            Dimmed().eval()(torch.zeros(shape))
