"""Between an image's own grid and intensities and those that a reconstruction network works with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


def brain_mask(x: torch.Tensor) -> torch.Tensor:
    """Return where the brain is: what is not zero, and the holes in it.

    Normalised by its median, a brain has voxels that are exactly zero, up to a twentieth of an 8-bit one.

    Shape:
        - x: ``(B, 1, *spatial)``.
        - output: the same, bool.
    """
    masks = (x != 0).squeeze(1).cpu().numpy()
    filled = np.stack([ndimage.binary_fill_holes(mask) for mask in masks])
    return torch.from_numpy(filled)[:, None].to(x.device)


def unit_intensity(x: torch.Tensor, brain: torch.Tensor, intensity_range: Sequence[float]) -> torch.Tensor:
    """Bring normalised intensities to [0, 1]; the background becomes 0.

    Args:
        x: normalised image.
        brain: mask of the brain.
        intensity_range: intensities that become 0 and 1; those beyond are clipped.

    Shape:
        - x, brain, output: ``(B, 1, *spatial)``.
    """
    low, high = intensity_range
    return ((x - low) / (high - low)).clamp(0.0, 1.0) * brain.to(x.dtype)


def erode(mask: torch.Tensor, size: int) -> torch.Tensor:
    """Erode masks by a square or cube.

    Args:
        mask: masks.
        size: its edge in voxels, odd; 1 leaves the mask.

    Shape:
        - mask, output: ``(B, 1, *spatial)``, bool.
    """
    outside = _POOL[mask.dim() - 2]((~mask).float(), kernel_size=size, stride=1, padding=size // 2)
    return mask & (outside == 0)


def fit(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Bring images to one size: those that are larger are shrunk as a whole, and zeros are put around the rest.

    Args:
        x: images with a background of zero.
        size: size to fit to.

    Shape:
        - x: ``(B, C, *spatial)``.
        - output: ``(B, C, *size)``.
    """
    within = shape_within(x.shape[2:], size)
    if within != list(x.shape[2:]):
        x = F.interpolate(x, size=within, mode="area")
    padding: list[int] = []
    for inner, outer in zip(reversed(within), reversed(size), strict=True):  # F.pad begins with the last axis
        before = (outer - inner) // 2
        padding += [before, outer - inner - before]
    return F.pad(x, padding)


def restore(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Undo `fit` for maps on its grid.

    Args:
        x: maps.
        shape: shape of the images before `fit`.

    Shape:
        - x: ``(B, C, *size)``.
        - output: ``(B, C, *shape)``.
    """
    within = shape_within(shape, x.shape[2:])
    starts = [(outer - inner) // 2 for inner, outer in zip(within, x.shape[2:], strict=True)]
    for axis, (start, length) in enumerate(zip(starts, within, strict=True), start=2):
        x = x.narrow(axis, start, length)
    if within == list(shape):
        return x
    return F.interpolate(x, size=list(shape), mode=_LINEAR[len(within)], align_corners=False)


def shape_within(shape: Sequence[int], size: Sequence[int]) -> list[int]:
    """Return the shape that an image has within a size: its own, or scaled down to fit."""
    scale = min(1.0, *(outer / inner for inner, outer in zip(shape, size, strict=True)))
    return [min(outer, max(1, round(inner * scale))) for inner, outer in zip(shape, size, strict=True)]


def to_slices(x: torch.Tensor) -> torch.Tensor:
    """Return the axial slices of volumes as a batch, those of the first volume first.

    Shape:
        - x: ``(B, C, X, Y, Z)``.
        - output: ``(B * Z, C, X, Y)``.
    """
    return x.movedim(-1, 1).flatten(0, 1)


def to_volumes(slices: torch.Tensor, volumes: int) -> torch.Tensor:
    """Undo `to_slices`.

    Args:
        slices: axial slices.
        volumes: number of volumes.

    Shape:
        - slices: ``(volumes * Z, C, X, Y)``.
        - output: ``(volumes, C, X, Y, Z)``.
    """
    return slices.unflatten(0, (volumes, -1)).movedim(1, -1)
