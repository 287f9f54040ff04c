from __future__ import annotations

import pytest
import torch

from bundle.attributions import PathSampler
from bundle.conventions import split_prediction
from bundle.networks import AttributionNet

ESTIMATORS = {"ig": 1.0, "eg": 0.0, "ieg": 0.25}
SIZES = [pytest.param((6, 7), id="2d"), pytest.param((5, 4, 3), id="3d")]


@pytest.fixture
def sample():
    """Draw points with a seed of their own and put the global random state back."""

    def sample(null_probability: float, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return PathSampler(null_probability)(images)

    return sample


def position_on_line(points: torch.Tensor, images: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """Least-squares a of b + a (x - b) for every image, NaN where the point is not on the line."""
    direction, offset = (images - baseline).flatten(1), (points - baseline).flatten(1)
    position = (direction * offset).sum(1) / direction.square().sum(1)
    on_line = torch.isclose(position[:, None] * direction, offset, rtol=0, atol=1e-6).all(1)
    return position.where(on_line, torch.nan)


@pytest.mark.parametrize("size", SIZES)
def test_integrated_gradients_points_are_multiples_of_the_image(sample, draw_images, size):
    images = draw_images(5, 2, *size)
    position = position_on_line(sample(1.0, images), images, torch.zeros_like(images))
    assert ((position >= 0) & (position <= 1)).all()
    assert len(position.unique()) == 5  # one for each image


@pytest.mark.parametrize("size", SIZES)
def test_expected_gradients_points_lie_between_the_image_and_the_one_before(sample, draw_images, size):
    images = draw_images(5, 2, *size)
    position = position_on_line(sample(0.0, images), images, images[[4, 0, 1, 2, 3]])
    assert ((position >= 0) & (position <= 1)).all()
    assert len(position.unique()) == 5


def test_draws_of_each_image_follow_their_distributions(sample, draw_images):
    images = draw_images(4000, 1, 2, 3)
    points = sample(0.25, images)
    to_null = position_on_line(points, images, torch.zeros_like(images))
    to_other = position_on_line(points, images, images.roll(1, 0))
    is_null = ~to_null.isnan()
    assert (is_null ^ ~to_other.isnan()).all()  # on one of the two lines, never on both
    assert float(is_null.double().mean()) == pytest.approx(0.25, abs=0.03)  # four standard deviations
    position = torch.where(is_null, to_null, to_other)
    assert float(position.mean()) == pytest.approx(1 / 2, abs=0.02)
    assert float(position.var()) == pytest.approx(1 / 12, abs=0.006)


def test_the_global_seed_decides(sample, draw_images):
    images = draw_images(4, 1, 5, 6)
    torch.testing.assert_close(sample(0.25, images, 3), sample(0.25, images, 3), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_keep_shape_and_type(sample, draw_images, dtype):
    images = draw_images(3, 2, 4, 5, 6).to(dtype)
    points = sample(0.25, images)
    assert points.shape == images.shape and points.dtype == dtype


@pytest.mark.parametrize("null_probability", ESTIMATORS.values(), ids=ESTIMATORS)
def test_linear_network_is_attributed_its_weights(linear, null_probability):
    network, weight = linear
    sampled = AttributionNet(network.classifier, sampler=PathSampler(null_probability)).train()
    attribution, _ = split_prediction(sampled(torch.randn(3, *weight.shape)))
    torch.testing.assert_close(attribution, weight.expand(3, *weight.shape))


def test_one_image_has_only_the_null_baseline(sample, draw_images):
    image = draw_images(1, 1, 5, 6)
    assert not position_on_line(sample(1.0, image), image, torch.zeros_like(image)).isnan().any()
    with pytest.raises(ValueError, match=r"at least 2 images .* got 1"):
        sample(0.25, image)


@pytest.mark.parametrize("null_probability", [-0.1, 1.5, float("nan")])
def test_wrong_probability_is_named(null_probability):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {null_probability}"):
        PathSampler(null_probability)
