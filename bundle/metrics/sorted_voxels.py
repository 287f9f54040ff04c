"""Voxel scores of one image in rising order, lesion and healthy apart: all that exact ranking needs of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from monai.utils import convert_to_tensor


def sort_scores(scores: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
    """Return scores in rising order; NaN come last.

    On the CPU it is NumPy that sorts: its vectorised sort of plain numbers is ten times faster than torch's, which
    also keeps track of the order.

    Args:
        scores: scores, ``(N,)``.
        where: scores to keep, ``(N,)`` bool; all when None.
    """
    if scores.device.type == "cpu":
        kept = scores.numpy() if where is None else scores.numpy()[where.numpy()]
        return torch.from_numpy(np.sort(kept))
    return torch.sort(scores if where is None else scores[where]).values


def count_below(rising: torch.Tensor, thresholds: torch.Tensor, *, equal: bool) -> torch.Tensor:
    """Count the scores below each threshold.

    Args:
        rising: scores in rising order.
        thresholds: thresholds of the same type; rising ones are looked up fastest.
        equal: count the scores equal to the threshold, too.

    Returns:
        One int64 count a threshold.
    """
    side: Literal["left", "right"] = "right" if equal else "left"
    if rising.device.type == "cpu":
        return torch.from_numpy(np.searchsorted(rising.numpy(), thresholds.numpy(), side=side))
    return torch.searchsorted(rising, thresholds, side=side)


@dataclass(frozen=True)
class SortedVoxels:
    """Scores of the lesion and of the healthy voxels of one image, each in rising order.

    Attributes:
        lesion: scores of the lesion voxels.
        healthy: scores of the healthy voxels, of the same type and on the same device.
    """

    lesion: torch.Tensor
    healthy: torch.Tensor

    @classmethod
    def from_scores(cls, scores: torch.Tensor, mask: torch.Tensor, brain: torch.Tensor | None = None) -> SortedVoxels:
        """Sort the voxels of an image, on the device that holds the scores.

        Args:
            scores: voxel scores, higher = more anomalous, of any shape. Half precision becomes single precision and
                whole numbers become double precision; both are exact.
            mask: lesion mask of the same number of voxels; non-zero = lesion.
            brain: voxels to keep, non-zero = kept; all when None.

        Raises:
            ValueError: When the sizes differ, there is no voxel to keep, or the score of a kept one is not finite.
        """
        if scores.numel() != mask.numel() or (brain is not None and brain.numel() != scores.numel()):
            sizes = [part.numel() for part in (scores, mask, brain) if part is not None]
            raise ValueError(
                f"scores and masks must hold the same number of voxels, got {sizes}. Bring both to one grid first."
            )
        flat = _flat(scores).detach()
        if flat.dtype not in (torch.float32, torch.float64):
            flat = flat.float() if flat.is_floating_point() else flat.double()
        lesion = _flat(mask).to(flat.device) != 0
        kept = torch.ones_like(lesion) if brain is None else _flat(brain).to(flat.device) != 0
        voxels = cls(sort_scores(flat, lesion & kept), sort_scores(flat, ~lesion & kept))
        ends = [float(part[end]) for part in (voxels.lesion, voxels.healthy) if len(part) for end in (0, -1)]
        if not ends:
            raise ValueError(f"ranking needs at least one voxel, got 0 of {len(flat)}. Check the image's brain mask.")
        if not all(math.isfinite(end) for end in ends):  # sorted, so that other values stand at the ends
            count = int((~torch.isfinite(flat[kept])).sum())
            raise ValueError(f"scores must be finite, got {count} NaN or infinite values. Check the image and weights.")
        return voxels

    def to(self, device: torch.device | str) -> SortedVoxels:
        """Return the voxels on another device."""
        return SortedVoxels(self.lesion.to(device), self.healthy.to(device))

    @property
    def lowest(self) -> float:
        """Lowest score."""
        return min(float(part[0]) for part in (self.lesion, self.healthy) if len(part))

    def called(self, threshold: float) -> tuple[int, int]:
        """Return the numbers of lesion and of healthy voxels whose score is at least ``threshold``."""
        lesion, healthy = (
            len(part) - int(count_below(part, part.new_tensor([threshold]), equal=False))
            for part in (self.lesion, self.healthy)
        )
        return lesion, healthy


def _flat(values: torch.Tensor) -> torch.Tensor:
    return convert_to_tensor(values, track_meta=False).reshape(-1)
