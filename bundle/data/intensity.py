"""Intensities that mean the same in every scan, however large a lesion is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

_MAD_TO_SD = 1.4826  # standard deviation of a normal distribution in median absolute deviations


class RobustNormalizeIntensityd(MapTransform):
    """Subtract the brain's median and divide by its median absolute deviation, scaled to a standard deviation.

    A large bright tumour raises the mean and the standard deviation of its brain, so that a z-score makes it fainter
    the larger it is; the median and the deviation from it stay those of healthy tissue. The brain is what is not zero;
    the background stays zero.

    Args:
        keys: keys of channel-first images.
        allow_missing_keys: whether an entry may lack a key.

    Shape:
        - input, output: ``(C, *spatial)``, each channel by itself.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with its images normalised."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = d[key].clone()
            for channel in d[key]:
                _normalise(channel)
        return d


def _normalise(channel: torch.Tensor) -> None:
    """Normalise one channel in place; where more than half of the brain has one value, only the median is taken."""
    brain = channel != 0
    values = channel[brain]
    if len(values) == 0:
        return
    centred = values - values.median()
    deviation = _MAD_TO_SD * centred.abs().median()
    channel[brain] = centred / deviation if deviation > 0 else centred
