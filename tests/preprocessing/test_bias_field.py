from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from bundle.preprocessing import bias_field
from bundle.preprocessing.bias_field import correct_bias_field
from bundle.preprocessing.geometry import sitk_array, to_sitk
from scripts.benchmark.registration import bias_variation


def test_residual_is_less_than_half():
    before, after, _ = bias_variation(0, 4.0)
    assert before > 0.05
    assert after < 0.5 * before


def test_mean_and_background_stay(brain, monkeypatch):
    monkeypatch.setattr(bias_field, "_ITERATIONS", (2,))
    image, mask = to_sitk(brain.image, brain.affine), to_sitk((brain.image > 0).astype(np.uint8), brain.affine)
    corrected, field = correct_bias_field(image, mask)
    inside = brain.image > 0
    np.testing.assert_allclose(sitk_array(corrected)[inside].mean(), brain.image[inside].mean(), rtol=1e-5)
    np.testing.assert_allclose(sitk_array(field)[inside].mean(), 1, rtol=1e-5)
    assert not sitk_array(corrected)[~inside].any()


def test_nothing_positive():
    image = sitk.Image(8, 8, 8, sitk.sitkFloat32)
    with pytest.raises(ValueError, match="needs positive intensities in the brain, got none"):
        correct_bias_field(image, sitk.Cast(image == 0, sitk.sitkUInt8))
