"""From a subject's own grid to the model's, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bundle.data.grid import smoothing_sigma
from bundle.data.phantom.atlas import Grid
from bundle.preprocessing.geometry import Affine, sitk_array, smooth, to_sitk

_SUPPORT = 0.5  # share of a voxel inside the brain from which on it is brain


def image_to_grid(image: sitk.Image, brain: sitk.Image, transform: sitk.Transform, grid: Grid) -> NDArray[np.float32]:
    """Resample a brain linearly, smoothed first where voxels get larger.

    Smoothing and interpolation are divided by the same operation on the mask, so that the edge of the brain is
    neither darkened nor widened.

    Args:
        image: extracted brain, 0 outside.
        brain: its mask on the same grid.
        transform: template to subject.
        grid: grid in MNI space.

    Shape:
        - output: ``grid.shape``, 0 outside the brain.
    """
    sigma = smoothing_sigma(image.GetSpacing(), grid.spacing_mm)
    target = reference(grid.shape, grid.affine)
    (value,), _ = resample_brain([smooth(image, sigma)], smooth(brain, sigma), target, transform)
    return value


def resample_brain(
    images: Sequence[sitk.Image], brain: sitk.Image, target: sitk.Image, transform: sitk.Transform
) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_]]:
    """Resample images of a brain linearly, and divide by what interpolation leaves of its mask.

    Args:
        images: images on one grid, 0 outside the brain.
        brain: share of every voxel of that grid that is brain.
        target: grid to resample to.
        transform: from the target's space to the images'.

    Returns:
        The images, 0 outside the brain, and where the brain is: at least half of a voxel.

    Shape:
        - output: shape of ``target`` each.
    """

    def resample(image: sitk.Image) -> NDArray[np.float32]:
        return sitk_array(sitk.Resample(image, target, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32))

    support = resample(brain)
    divisor = np.where(support >= _SUPPORT, support, np.inf)
    return [(resample(image) / divisor).astype(np.float32) for image in images], support >= _SUPPORT


def mask_to_grid(
    mask: sitk.Image, transform: sitk.Transform, shape: tuple[int, ...], affine: Affine
) -> NDArray[np.uint8]:
    """Resample a mask by nearest neighbour.

    Args:
        mask: mask.
        transform: from the new grid's space to the mask's.
        shape: shape of the new grid.
        affine: voxel index to millimetre of the new grid, RAS+.

    Shape:
        - output: ``shape``.
    """
    moved = sitk.Resample(mask, reference(shape, affine), transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    result: Any = sitk_array(moved)
    return result


def reference(shape: tuple[int, ...], affine: Affine) -> sitk.Image:
    """Return an empty image on a grid."""
    return to_sitk(np.zeros(shape, np.uint8), affine)
