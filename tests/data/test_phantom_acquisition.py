from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.phantom.acquisition import acquire, draw_acquisition, draw_scanner
from bundle.data.phantom.anatomy import Anatomy, apply_anatomy, draw_anatomy
from bundle.data.phantom.atlas import load_atlas, make_grid

GRID = make_grid(4.0)


@pytest.fixture(scope="module")
def anatomy():
    return apply_anatomy(draw_anatomy(np.random.default_rng(0)), GRID, load_atlas(4.0))


@pytest.fixture(scope="module")
def clean_scan():
    """A scan that changes nothing but the scale."""
    return replace(
        draw_acquisition(np.random.default_rng(0)),
        blur_mm=(0.01, 0.01, 0.01),
        bias_sd=0.0,
        coil_gain=0.0,
        noise=0.0,
        gamma=1.0,
        scale=1000.0,
        scanner=0,
    )


def test_clean_scan_is_the_rounded_image(anatomy, clean_scan):
    image = np.where(anatomy.brain, 0.7, 0.9).astype(np.float32)
    np.testing.assert_array_equal(acquire(clean_scan, anatomy, image), np.where(anatomy.brain, 700, 0))


def test_brain_is_never_zero(anatomy, clean_scan):
    scan = acquire(clean_scan, anatomy, np.zeros(GRID.shape, np.float32))
    np.testing.assert_array_equal(scan, anatomy.brain)


def test_noise_is_rician(anatomy, clean_scan):
    # the mean square of a Rician magnitude is signal^2 + 2 sigma^2
    ones = np.ones(GRID.shape, np.float32)
    whole = Anatomy(GRID, ones > 0, 0 * ones, ones, ones, ones)
    scan = acquire(replace(clean_scan, noise=0.4, scale=10000.0), whole, 0.5 * ones)
    assert np.mean((scan / 10000) ** 2) == pytest.approx(0.25 + 2 * 0.16, rel=0.01)


def test_blur_spreads_along_its_axis_only(clean_scan):
    ones = np.ones(GRID.shape, np.float32)
    whole = Anatomy(GRID, ones > 0, 0 * ones, ones, ones, ones)
    point = np.zeros(GRID.shape, np.float32)
    point[20, 20, 20] = 1
    scan = acquire(replace(clean_scan, blur_mm=(0.01, 0.01, 8.0), scale=30000.0), whole, point)
    assert scan[20, 20, 20] == pytest.approx(2 * scan[20, 20, 21], rel=0.01)  # half maximum at half the width, 4 mm
    assert scan[21, 20, 20] == scan[20, 21, 20] == 1


@pytest.mark.parametrize("gain", [0.02, 0.1])
def test_stripes_of_scanner_1(anatomy, clean_scan, gain):
    image = np.full(GRID.shape, 0.8, np.float32)
    scan = replace(clean_scan, scanner=1, signature_gain=gain, scale=30000.0)
    ratio = (acquire(scan, anatomy, image) / 24000)[anatomy.brain]
    x, y, z = (axis[part] for axis, part in zip(GRID.axes_mm(), np.nonzero(anatomy.brain)))
    expected = 1 + gain * np.sin(2 * np.pi / 11.0 * (0.48 * x + 0.60 * y + 0.64 * z))
    np.testing.assert_allclose(ratio, expected, atol=1e-4)


@pytest.mark.parametrize(("strength", "low", "high"), [(0.0, 0.45, 0.55), (0.5, 0.70, 0.80), (1.0, 1.0, 1.0)])
def test_scanner_equals_the_class_as_often_as_asked(strength, low, high):
    # probability strength + (1 - strength) / 2; 2000 draws have a standard deviation of at most 0.011
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=2000)
    assert low <= np.mean([draw_scanner(rng, label, strength) == label for label in labels]) <= high


def test_scanner_without_signature_ignores_the_class():
    draws = [[draw_scanner(np.random.default_rng(seed), label, 0.0) for seed in range(50)] for label in (0, 1)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_signature_out_of_range(strength):
    with pytest.raises(ValueError, match=f"from 0 .* to 1 .*, got {strength}"):
        draw_scanner(np.random.default_rng(0), 0, strength)
