"""Correction of slow brightness changes that the receive coil makes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bundle.preprocessing.geometry import sitk_array

_SHRINK_MM = 4.0  # the field is fitted on voxels of about this edge; it is smooth over tens of millimetres
# At most, on each finer mesh of control points, the last of about 45 mm. A fourth, of 22 mm, takes away differences
# between tissues too (docs/preprocessing.md).
_ITERATIONS = (50, 50, 50)


def correct_bias_field(image: sitk.Image, brain: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Divide a brain by its bias field.

    Args:
        image: extracted brain, 0 outside.
        brain: its mask on the same grid.

    Returns:
        The corrected brain, with the mean of the given one, and the field, with mean 1 in the brain.

    Raises:
        ValueError: When no voxel of the brain is positive, because the logarithm is fitted.

    Source:
        Tustison et al., IEEE TMI 29(6), 2010.
    """
    positive = sitk.Cast((image > 0) & (brain > 0), sitk.sitkUInt8)
    if not sitk_array(positive).any():
        raise ValueError("bias correction needs positive intensities in the brain, got none; leave --n4 out")
    image = sitk.Cast(image, sitk.sitkFloat32)
    factors = [
        int(np.clip(round(_SHRINK_MM / edge), 1, max(1, size // 4)))
        for edge, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations(_ITERATIONS)
    correction.Execute(sitk.Shrink(image, factors), sitk.Shrink(positive, factors))
    values, inside = sitk_array(image), sitk_array(positive) > 0
    field = np.exp(sitk_array(correction.GetLogBiasFieldAsImage(image)).astype(np.float32))
    field /= field[inside].mean()
    corrected = np.where(sitk_array(brain) > 0, values / field, np.float32(0))
    corrected *= values[inside].mean() / corrected[inside].mean()
    return _like(image, corrected), _like(image, field)


def _like(image: sitk.Image, array: NDArray[np.float32]) -> sitk.Image:
    """Return an array on the grid of an image."""
    result = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    result.CopyInformation(image)
    return result
