from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from bundle.metrics import pearson


@pytest.mark.parametrize("scale", [1.0, 1.0e-30, 1.0e8], ids=["one", "tiny", "large"])
def test_agrees_with_scipy_in_float64(scale):
    rng = np.random.default_rng(0)
    first = rng.standard_normal((5, 6, 7)).astype(np.float32)
    second = (0.3 * first + rng.standard_normal(first.shape)).astype(np.float32)
    expected = pearsonr(first.ravel().astype(np.float64), second.ravel().astype(np.float64)).statistic
    scaled = first.astype(np.float64) * scale
    assert pearson(scaled, torch.from_numpy(second)) == pytest.approx(expected, abs=1e-12)


def test_affine_maps_agree_and_mirrored_ones_do_not():
    values = np.arange(10.0)
    assert pearson(values, 3 * values + 7) == pytest.approx(1.0)
    assert pearson(values, 2 - values) == pytest.approx(-1.0)
    assert pearson([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0.0)


@pytest.mark.parametrize("values", [[0.1] * 5, [3.0]], ids=["constant", "one_voxel"])
def test_no_contrast_is_unknown(values):
    other = np.arange(float(len(values)))
    assert math.isnan(pearson(values, other)) and math.isnan(pearson(other, values))


def test_wrong_maps():
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(4,\)"):
        pearson(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="finite, got 1 NaN"):
        pearson([0.0, math.nan], [0.0, 1.0])
