"""Intensity as an anomaly score, equalised over each image and without small bright spots."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.transforms.utils import equalize_hist
from numpy.typing import NDArray

from bundle.conventions import EQUALISED, INTENSITY

_LEVELS = 256


class EqualiseIntensityd(MapTransform):
    """Spread an image's intensities evenly over [0, 1], and take the tops of small bright spots off.

    A spot's top comes down to the level at which the spot has grown beyond the given volume (an area opening), so that
    at every threshold exactly the components of up to that volume are missing from the mask.

    Args:
        keys: key of the image; what is not zero is the brain.
        output_key: key under which the score is written.
        dropped_mm3: volume of the largest component that is dropped, in mm³.
        allow_missing_keys: do not raise when the key is missing.

    Shape:
        - image, output: ``(1, *spatial)``, with an affine; 0 outside the brain.

    Raises:
        ValueError: When the volume is negative, or ``keys`` names several images.

    Source:
        Meissen et al., MICCAI BrainLes 2021: thresholds of FLAIR equalised by its histogram, and without the
        3D components of up to 20 voxels, those of its 1 mm grid.
    """

    def __init__(
        self,
        keys: KeysCollection = INTENSITY,
        output_key: str = EQUALISED,
        dropped_mm3: float = 20.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must name one image, got {list(self.keys)}. Use one transform per image.")
        if dropped_mm3 < 0:
            raise ValueError(f"dropped_mm3 must be at least 0, got {dropped_mm3}.")
        self.output_key = output_key
        self.dropped_mm3 = dropped_mm3

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the score to a copy of ``data``."""
        item = dict(data)
        for key in self.key_iterator(item):
            image = item[key]
            voxel_mm3 = float(np.abs(np.linalg.det(np.asarray(image.affine)[:3, :3])))
            levels = equalised_levels(np.asarray(image.cpu()[0]))
            opened = drop_small(levels, int(self.dropped_mm3 / voxel_mm3 + 1e-6) + 1)
            item[self.output_key] = torch.as_tensor(opened / (_LEVELS - 1), dtype=torch.float32, device=image.device)[
                None
            ]
        return item


def equalised_levels(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return the share of the brain's voxels that are as dark as each voxel or darker, in 255 steps; 0 outside.

    Shape:
        - image, output: ``spatial``.
    """
    brain = image != 0
    if not brain.any():
        return np.zeros(image.shape, np.uint8)
    levels = equalize_hist(image, mask=brain, num_bins=_LEVELS, min=0, max=_LEVELS - 1)
    return np.where(brain, np.rint(levels), 0).astype(np.uint8)


def drop_small(levels: NDArray[np.uint8], smallest: int) -> NDArray[np.uint8]:
    """Lower every component of voxels above a level, of whatever level, that has too few voxels.

    Args:
        levels: image.
        smallest: voxels of the smallest component that is kept.

    Shape:
        - levels, output: ``spatial``, two or three axes; neighbours share a corner.
    """
    opened = sitk.AreaOpening(
        sitk.GetImageFromArray(levels), float(smallest), useImageSpacing=False, fullyConnected=True
    )
    return np.asarray(sitk.GetArrayFromImage(opened))
