"""Overlap of two binary masks."""

from __future__ import annotations

import math

import torch


def dice(prediction: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the Dice coefficient 2 |P ∩ M| / (|P| + |M|) of two masks.

    Args:
        prediction: predicted mask, non-zero = anomalous.
        mask: reference mask, non-zero = lesion.

    Returns:
        A value in [0, 1], or NaN when both masks are empty: an empty answer about a healthy subject says nothing
        about overlap, count false positives there.

    Raises:
        ValueError: When the shapes differ.
    """
    if prediction.shape != mask.shape:
        raise ValueError(
            f"two masks must share one shape, got {tuple(prediction.shape)} and {tuple(mask.shape)}. "
            "Invert the prediction to the image's grid first."
        )
    predicted, expected = prediction != 0, mask != 0
    total = int(predicted.sum()) + int(expected.sum())
    return 2 * int((predicted & expected).sum()) / total if total else math.nan


def volume_ml(mask: torch.Tensor, affine: torch.Tensor) -> float:
    """Return the volume of a mask in millilitres.

    Args:
        mask: mask, non-zero = counted.
        affine: voxel-to-world matrix in millimetres, 4x4 (3x3 in 2D, where a voxel is taken to be 1 mm thick).

    Raises:
        ValueError: When the affine is singular, so that voxels have no volume.
    """
    size = affine.shape[-1] - 1
    voxel_mm3 = abs(float(torch.linalg.det(affine[:size, :size].double())))
    if not voxel_mm3 > 0:
        raise ValueError(f"an affine must give voxels a volume, got {voxel_mm3:g} mm3. Correct the image's header.")
    return int((mask != 0).sum()) * voxel_mm3 / 1000.0
