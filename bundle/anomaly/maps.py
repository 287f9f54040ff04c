"""Anomaly maps: an attribution map, or any other voxel score, kept inside the brain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from bundle.conventions import ATTRIBUTION, INPUT_WEIGHTED, INTENSITY, LOGIT, PRED, split_prediction

OUTSIDE_BRAIN: float = torch.finfo(torch.float32).min
"""Score outside the brain: the lowest finite float32, so below every threshold a score can be compared with."""


def map_key(name: str) -> str:
    """Return the dictionary key of the anomaly map made from the score ``name``."""
    return f"{name}_map"


def mask_key(name: str) -> str:
    """Return the dictionary key of the mask obtained by thresholding the anomaly map of ``name``."""
    return f"{name}_mask"


def anomaly_map(score: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """Keep a score inside the brain and put everything outside it below every threshold.

    A voxel of a multi-channel image is as anomalous as its most anomalous channel.

    Args:
        score: attribution map or another voxel score, higher = more anomalous.
        brain: image in which exact zeros mark the background; a voxel is brain when any channel is non-zero.

    Shape:
        - score: ``(C, *spatial)``.
        - brain: ``(C', *spatial)``.
        - output: ``(1, *spatial)``, float32.

    Raises:
        ValueError: When the two do not share one grid.
    """
    if score.shape[1:] != brain.shape[1:]:
        raise ValueError(
            f"a score and the brain it is kept in must share one grid, got {tuple(score.shape[1:])} and "
            f"{tuple(brain.shape[1:])}. Invert the score to the image's grid first, or pass the image of the score."
        )
    inside = (brain != 0).any(dim=0, keepdim=True).to(score.device)
    highest = score.float().amax(dim=0, keepdim=True)
    return torch.where(inside, highest, torch.full_like(highest, OUTSIDE_BRAIN))


class SplitPredictiond(MapTransform):
    """Take the attribution map and the image logit out of one item's prediction tensor.

    Args:
        keys: key of the prediction tensor.
        attribution_key: key under which the attribution map is written.
        logit_key: key under which the logit is written.
        allow_missing_keys: do not raise when the key is missing.

    Shape:
        - prediction: ``(C + 1, *spatial)``.
        - attribution: ``(C, *spatial)``.
        - logit: ``(1,)``.
    """

    def __init__(
        self,
        keys: KeysCollection = PRED,
        attribution_key: str = ATTRIBUTION,
        logit_key: str = LOGIT,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must name one prediction, got {list(self.keys)}. Use one transform per prediction.")
        self.attribution_key = attribution_key
        self.logit_key = logit_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the attribution map and the logit to a copy of ``data``."""
        item = dict(data)
        for key in self.key_iterator(item):
            attribution, logit = split_prediction(item[key][None])
            item[self.attribution_key] = attribution[0]
            item[self.logit_key] = convert_to_tensor(logit[0], track_meta=False)
        return item


class WeightByInputd(MapTransform):
    """Multiply an attribution map by the bright part of the image: gradient x input, for voxels above the brain's mean.

    The attribution says in which direction brightening a voxel moves the decision, and is blurred by the strides of
    the classifier; the product says how much the voxel's actual brightness moves it, at the image's own resolution.
    Dark voxels get 0, so this score looks for hyperintense anomalies.

    Args:
        keys: key of the attribution map.
        intensity_key: z-scored image on the same grid.
        output_key: key under which the product is written.
        allow_missing_keys: do not raise when the key is missing.

    Shape:
        - attribution, image, output: ``(C, *spatial)``.

    Source:
        Global attributions in the sense of Ancona et al., ICLR 2018; the paper uses local ones (section III-C.1).
    """

    def __init__(
        self,
        keys: KeysCollection = ATTRIBUTION,
        intensity_key: str = INTENSITY,
        output_key: str = INPUT_WEIGHTED,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must name one attribution, got {list(self.keys)}. Use one transform per map.")
        self.intensity_key = intensity_key
        self.output_key = output_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the product to a copy of ``data``."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[self.output_key] = item[key] * item[self.intensity_key].to(item[key].device).clamp(min=0)
        return item


class AnomalyMapd(MapTransform):
    """Turn scores into anomaly maps: :py:func:`anomaly_map` of ``key``, written under ``map_key(key)``.

    Args:
        keys: scores, such as ``attribution`` or ``intensity``.
        brain_key: preprocessed image on the grid of the scores; its non-zero voxels are the brain.
        allow_missing_keys: skip the scores that an item does not have.
    """

    def __init__(
        self, keys: KeysCollection = ATTRIBUTION, brain_key: str = INTENSITY, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.brain_key = brain_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add one anomaly map per score to a copy of ``data``."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[map_key(str(key))] = anomaly_map(item[key], item[self.brain_key])
        return item
