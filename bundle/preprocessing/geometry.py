"""Volumes between nibabel, whose world is RAS+, and SimpleITK, whose world is LPS+."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bundle.data.grid import smoothing_sigma

Affine = NDArray[np.float64]

_FLIP = np.diag([-1.0, -1.0, 1.0])  # RAS+ to LPS+ and back
_SHEAR_TOLERANCE = 0.02  # largest cosine between two axes of a volume, about one degree


def to_sitk(array: NDArray[Any], affine: Affine) -> sitk.Image:
    """Return a volume as SimpleITK image; axes that are not quite orthogonal become the nearest orthogonal ones.

    Args:
        array: voxels.
        affine: voxel index to millimetre, RAS+.

    Shape:
        - array: ``(X, Y, Z)``.
        - affine: ``(4, 4)``.

    Raises:
        ValueError: When two axes of the volume are more than a degree from orthogonal.
    """
    spacing = voxel_sizes(affine)
    axes = affine[:3, :3] / spacing
    cosine = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if cosine > _SHEAR_TOLERANCE:
        raise ValueError(
            f"the axes of a volume must be orthogonal, got a header with a cosine of {cosine:.3f} between two of them; "
            "resample the volume to an orthogonal grid"
        )
    left, _, right = np.linalg.svd(axes)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing([float(edge) for edge in spacing])
    image.SetDirection((_FLIP @ left @ right).ravel().tolist())
    image.SetOrigin((_FLIP @ affine[:3, 3]).tolist())
    return image


def sitk_affine(image: sitk.Image) -> Affine:
    """Return the affine of a SimpleITK image, voxel index to millimetre, RAS+, ``(4, 4)``."""
    affine = np.eye(4)
    affine[:3, :3] = _FLIP @ np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = _FLIP @ image.GetOrigin()
    return affine


def sitk_array(image: sitk.Image) -> NDArray[Any]:
    """Return the voxels of a SimpleITK image, ``(X, Y, Z)``."""
    array: NDArray[Any] = sitk.GetArrayFromImage(image).T
    return array


def smooth(image: sitk.Image, sigma: Sequence[float]) -> sitk.Image:
    """Return an image after a Gaussian filter, in float32; beyond its border the nearest value holds.

    Args:
        image: the image.
        sigma: standard deviation along the axes x, y, z, in voxels.
    """
    array = np.asarray(sitk.GetArrayViewFromImage(image), dtype=np.float32)
    result = sitk.GetImageFromArray(ndimage.gaussian_filter(array, tuple(reversed(sigma)), mode="nearest"))
    result.CopyInformation(image)
    return result


def coarsen(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Return an image with voxels of at least an edge, smoothed first so that fine structures do not alias.

    Args:
        image: the image; axes with larger voxels already are kept.
        spacing_mm: edge.
    """
    spacing = np.asarray(image.GetSpacing())
    new_mm = np.maximum(spacing, spacing_mm)
    size = np.floor((np.asarray(image.GetSize()) - 1) * spacing / new_mm + 1e-6).astype(int) + 1
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(length) for length in size])
    resample.SetOutputSpacing(new_mm.tolist())
    resample.SetOutputOrigin(image.GetOrigin())
    resample.SetOutputDirection(image.GetDirection())
    return resample.Execute(smooth(image, smoothing_sigma(spacing, spacing_mm)))
