from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.registration import alignment, brain_overlap, register
from scripts.benchmark.registration import random_affine, recovery_errors


@pytest.fixture(scope="module")
def image(brain):
    affine = brain.affine.copy()
    affine[:3, 3] -= 10 * 4.0
    return to_sitk(np.pad(brain.image, 10), affine)


def test_known_transforms_are_found_again(image):
    found = recovery_errors(image, count=2, seed=3)
    assert max(found["unmoved"]) < 2.0
    assert max(found["identity"]) < 8.0  # the phantom's own anatomy is not the template's


def test_the_drawn_transforms_are_those_that_are_promised():
    rng = np.random.default_rng(0)
    matrices = [np.reshape(random_affine(rng).GetMatrix(), (3, 3)) for _ in range(200)]
    stretch = np.linalg.svd(matrices)[1]
    assert stretch.min() > 0.85 and stretch.max() < 1.17
    assert np.linalg.det(matrices).min() > 0


def test_scores_fall_with_misalignment(image):
    here = sitk.AffineTransform(3)
    away = sitk.AffineTransform(3)
    away.SetTranslation((12.0, 0.0, 0.0))
    assert alignment(image, here) > 1.2 * alignment(image, away)
    mask = sitk.Cast(image > 0, sitk.sitkUInt8)
    assert brain_overlap(mask, here) > brain_overlap(mask, away) + 0.05


def test_empty_mask(image):
    with pytest.raises(ValueError, match="must not be empty, got 0 voxels"):
        register(image, sitk.Cast(image < -1, sitk.sitkUInt8))


def test_itks_errors_are_reworded(image):
    far = sitk.Image(image)
    mask = sitk.Cast(far > 0, sitk.sitkUInt8)
    mask.SetOrigin([coordinate + 5000 for coordinate in far.GetOrigin()])
    with pytest.raises(ValueError, match=r"cannot be registered: .*All samples map outside"):
        register(far, mask)
