from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.audit.filling import SMOOTHING, fill_region, smooth_known


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ball(shape, centre, radius):
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))
    return ((grid - np.reshape(centre, (-1, *[1] * len(shape)))) ** 2).sum(0) < radius**2


def symmetric(shape, rng):
    """Return a brain in a larger field of view, not at its centre, whose two halves mirror each other."""
    brain = np.zeros(shape, dtype=bool)
    brain[4 : shape[0] - 2, 2:-2] = True
    half = rng.normal(size=shape).astype(np.float32)[4 : shape[0] - 2]
    image = np.zeros(shape, np.float32)
    image[4 : shape[0] - 2] = (half + half[::-1]) / 2
    return np.where(brain, image, 0), brain


@pytest.mark.parametrize(("shape", "centre"), [((46, 24), (12, 12)), ((26, 16, 18), (9, 8, 9))], ids=["2d", "3d"])
def test_the_mirrored_tissue_restores_a_symmetric_brain(shape, centre, rng):
    image, brain = symmetric(shape, rng)
    region = ball(shape, centre, 4)
    ill = np.where(region, 5.0, image).astype(np.float32)
    filled = fill_region(ill, brain, region, np.zeros(shape, bool), rng)
    np.testing.assert_allclose(filled, image, atol=1e-6)
    assert (ill[region] == 5.0).all()  # the input is kept


def test_the_mirrored_tissue_is_made_as_bright_as_its_new_surroundings(rng):
    image, brain = symmetric((126, 20), rng)
    brighter = image + np.where(brain & (np.arange(126) < 65)[:, None], 2.0, 0).astype(np.float32)  # the coil's side
    region = ball(image.shape, (25, 10), 4)  # further from the middle than the Gaussian reaches
    ill = np.where(region, -9.0, brighter).astype(np.float32)
    filled = fill_region(ill, brain, region, np.zeros_like(brain), rng)
    np.testing.assert_allclose(filled[region], brighter[region], atol=0.01)
    np.testing.assert_array_equal(filled[~region], ill[~region])


def test_both_sides_ill_take_brightness_and_texture_from_nearby(rng):
    brain = np.ones((61, 61), dtype=bool)
    image = rng.normal(3.0, 0.5, brain.shape).astype(np.float32)
    region = ball(brain.shape, (30, 30), 12)  # across the middle, so its mirror image is ill as well
    filled = fill_region(np.where(region, 99.0, image).astype(np.float32), brain, region, np.zeros_like(brain), rng)
    assert filled[region].mean() == pytest.approx(3.0, abs=0.15)
    assert filled[region].std() == pytest.approx(0.5, abs=0.1)


def test_no_tissue_is_taken_from_what_is_unhealthy(rng):
    image, brain = symmetric((46, 24), rng)
    region, unhealthy = ball(image.shape, (12, 12), 4), ball(image.shape, (35, 12), 6) | ball(image.shape, (12, 4), 3)
    ill = np.where(unhealthy, 1e6, image).astype(np.float32)
    filled = fill_region(ill, brain, region, unhealthy, rng)
    assert np.abs(filled[region & ~unhealthy]).max() < 10
    np.testing.assert_array_equal(filled[~region], ill[~region])


def test_smoothing_is_a_normalised_convolution(rng):
    values, known = rng.normal(size=60), rng.random(60) < 0.4
    found = smooth_known(values.astype(np.float32), known)
    for place in (0, 17, 41):
        weights = [math.exp(-0.5 * ((place - other) / SMOOTHING) ** 2) * known[other] for other in range(60)]
        expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        assert found[place] == pytest.approx(expected, abs=0.01)  # the prior weighs a thousandth


def test_far_from_all_that_is_known_the_smoothing_is_the_median():
    values, known = np.zeros(200, np.float32), np.zeros(200, dtype=bool)
    values[:3], known[:3] = (1.0, 2.0, 9.0), True
    assert smooth_known(values, known)[100:].tolist() == [2.0] * 100


def test_no_healthy_voxel(rng):
    brain = np.ones((4, 4), dtype=bool)
    region = np.arange(16).reshape(4, 4) < 10
    with pytest.raises(ValueError, match="got 0 of 16 brain voxels beside a region of 10"):
        fill_region(np.zeros((4, 4), np.float32), brain, region, ~region, rng)
