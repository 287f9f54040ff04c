from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bundle.preprocessing.geometry import coarsen, sitk_affine, sitk_array, smooth, to_sitk


def oblique(spacing=(0.9, 1.1, 6.0)):
    """Turned about all axes, with the first axis flipped and an origin off centre."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [12, -7, 25], degrees=True).as_matrix() * spacing * [-1, 1, 1]
    affine[:3, 3] = (40, -70, 12)
    return affine


def test_positions_are_nibabels():
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    image = to_sitk(array, oblique())
    position = np.array(image.TransformIndexToPhysicalPoint((1, 2, 3))) * [-1, -1, 1]
    np.testing.assert_allclose(position, nib.affines.apply_affine(oblique(), (1, 2, 3)), atol=1e-9)
    np.testing.assert_allclose(sitk_affine(image), oblique(), atol=1e-9)
    np.testing.assert_array_equal(sitk_array(image), array)
    assert image.GetPixel((1, 2, 3)) == array[1, 2, 3]


def test_a_little_shear_is_taken_away():
    affine = oblique()
    affine[:3, 0] += 0.01 * affine[:3, 1]
    axes = np.reshape(to_sitk(np.zeros((2, 2, 2)), affine).GetDirection(), (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)


def test_shear():
    affine = np.eye(4)
    affine[0, 1] = 1.0
    with pytest.raises(ValueError, match=r"must be orthogonal, got a header with a cosine of 0\.707"):
        to_sitk(np.zeros((2, 2, 2)), affine)


def test_smooth_spreads_a_point_by_sigma_along_each_axis():
    array = np.zeros((25, 25, 5), np.float32)
    array[12, 12, 2] = 1
    spread = sitk_array(smooth(to_sitk(array, oblique()), (2.0, 1.5, 0.0)))
    indices = np.indices(array.shape) - np.reshape((12, 12, 2), (3, 1, 1, 1))
    variance = (spread * indices**2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(variance, (4.0, 2.25, 0.0), rtol=0.02)


def test_coarsen_keeps_a_ramp_and_thick_slices():
    x, y, z = np.indices((30, 30, 10))
    fine = to_sitk((x + 2 * y + 3 * z).astype(np.float32), oblique((1.0, 2.0, 6.0)))
    coarse = coarsen(fine, 4.0)
    assert coarse.GetSize() == (8, 15, 10)
    np.testing.assert_allclose(coarse.GetSpacing(), (4.0, 4.0, 6.0))
    inner = sitk_array(coarse)[2:-2, 2:-2, 2:-2]
    expected = (4 * x + 4 * y + 3 * z)[2:6, 2:13, 2:8]
    np.testing.assert_allclose(inner, expected, atol=0.05)
