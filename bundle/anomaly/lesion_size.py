"""Transform that removes parts of a mask that are too small to be believed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy import ndimage

from bundle.conventions import PRED

_ROUNDING = 1.0e-6  # voxels; a part of exactly the smallest volume stays


class RemoveSmallLesionsd(MapTransform):
    """Set connected parts of a mask to 0 that are smaller than a volume; voxels that share a corner are connected.

    MONAI's RemoveSmallObjects needs scikit-image, which nothing else here does.

    Args:
        keys: masks, with the affine of their grid.
        min_ml: smallest volume that stays; 0 keeps every part.
        allow_missing_keys: whether an item may lack a mask.

    Shape:
        - mask, output: ``(1, *spatial)``, 3 spatial axes.

    Raises:
        ValueError: When ``min_ml`` is negative or not finite, or a mask has no affine.
    """

    def __init__(self, keys: KeysCollection = PRED, min_ml: float = 0.0, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        check_min_lesion(min_ml)
        self.min_ml = float(min_ml)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with its masks cleaned."""
        item = dict(data)
        for key in self.key_iterator(item) if self.min_ml > 0 else ():
            mask = item[key]
            if not isinstance(mask, MetaTensor):
                raise ValueError(f"a mask must be a MetaTensor with an affine, got {type(mask).__name__} for {key!r}.")
            array = mask.cpu().numpy()[0]
            labels, count = ndimage.label(array, structure=np.ones((3,) * array.ndim))
            voxel_ml = abs(float(np.linalg.det(mask.affine.cpu().numpy()[:3, :3]))) / 1000
            fewest = self.min_ml / voxel_ml - _ROUNDING
            stays = np.bincount(labels.ravel(), minlength=count + 1) >= fewest
            stays[0] = False  # the background
            kept = torch.as_tensor(stays[labels][None], dtype=mask.dtype, device=mask.device)
            item[key] = MetaTensor(kept).copy_meta_from(mask)
        return item


def check_min_lesion(min_ml: float) -> None:
    """Raise a ValueError when a smallest volume is not a number of at least 0."""
    if not (isinstance(min_ml, (int, float)) and math.isfinite(min_ml) and min_ml >= 0):
        raise ValueError(f"min_lesion_ml must be a volume in millilitres of at least 0, got {min_ml!r}. Correct it.")
