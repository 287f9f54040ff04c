"""Transforms that end a viewer's request: back to the raw scan's grid, then image and parameters of the answer."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from bundle.anomaly import OUTSIDE_BRAIN, image_result, load_thresholds, map_key
from bundle.conventions import ATTRIBUTION, IMAGE, INTENSITY, LOGIT, PRED
from bundle.metrics import volume_ml
from bundle.preprocessing.to_native import ToNatived
from bundle.viewer.explanation import EXPLANATION, GRADIENT, check_method, chosen
from bundle.viewer.refusal import refusals

SCANS = "scans"
"""Key of the preprocessed scan of a request that asked for preprocessing."""

RESULT = "result"
"""Key of the parameters of an answer, which MONAI Label sends beside the image."""

MASK_OUTPUT, MAP_OUTPUT = "anomaly mask", "attribution map"

OUTPUTS: tuple[str, ...] = (MASK_OUTPUT, MAP_OUTPUT)
"""What an answer can hold as image, the default first."""

_REQUEST_KEY = "image_path"  # MONAI Label notes the request's image there before its own transforms


def is_request(item: Mapping[Hashable, Any]) -> bool:
    """Say whether an item is a viewer's request, and not an entry of a plain run."""
    return _REQUEST_KEY in item


def check_output(output: Any) -> str:
    """Return the name of an output; None is the first one.

    Raises:
        ValueError: When there is no such output.
    """
    name = OUTPUTS[0] if output is None else chosen(output)
    if name not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {name!r}. Correct the name.")
    return str(name)


class RequestToNatived(MapTransform):
    """Bring the maps of a request with preprocessing back to the grid of its scan; other items pass.

    Args:
        keys: maps on the grid of the preprocessed image.
        intensity_key: preprocessed image, which becomes the native one, see
            :py:class:`bundle.preprocessing.to_native.ToNatived`.

    Shape:
        As :py:class:`bundle.preprocessing.to_native.ToNatived`. ``image`` keeps its voxels and gets the native
        geometry in its meta data, which MONAI Label restores results to.
    """

    def __init__(self, keys: KeysCollection = ATTRIBUTION, intensity_key: str = INTENSITY) -> None:
        super().__init__(keys)
        self.intensity_key = intensity_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with its maps on the native grid."""
        item = dict(data)
        scans = item.pop(SCANS, None)
        if scans is None:
            return item
        with refusals():
            item = ToNatived(self.keys, scans.folder, self.intensity_key)(item)
        native = item[self.intensity_key]
        item[IMAGE].meta["spatial_shape"] = np.asarray(native.shape[1:])
        item[IMAGE].meta["original_affine"] = np.asarray(native.affine)
        return item


class AnswerRequestd(MapTransform):
    """Put the parameters of the answer under ``result``, and the chosen image in the place of the mask.

    Args:
        keys: key of the mask.
        threshold_file: thresholds in use.
        model_file: weights in use.
        calibration: rule of the threshold.
        score: score that the mask was made from.
        threshold: threshold that the mask was made with.
        min_lesion_ml: volume below which parts of the mask were removed.
        attribution_method: method of the map.
        output: one of :py:data:`OUTPUTS`, or a list whose first entry it is.

    Shape:
        - mask, output: ``(1, *spatial)``; uint8, or float32 for the map, which is 0 outside the brain.
    """

    def __init__(
        self,
        keys: KeysCollection = PRED,
        *,
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        calibration: str | None = None,
        score: str = ATTRIBUTION,
        threshold: float | None = None,
        min_lesion_ml: float = 0.0,
        attribution_method: str | Sequence[str] = GRADIENT,
        output: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(keys)
        self.threshold_file, self.model_file, self.calibration = threshold_file, model_file, calibration
        self.score, self.threshold, self.min_lesion_ml = score, threshold, min_lesion_ml
        self.method, self.output = check_method(attribution_method), check_output(output)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the answer; an item of a plain run passes."""
        item = dict(data)
        if not is_request(item):
            return item
        record = load_thresholds(self.threshold_file, self.model_file, self.calibration)
        for key in self.key_iterator(item):
            mask, affine = item[key], item[INTENSITY].affine
            brain = item[map_key(self.score)] > OUTSIDE_BRAIN
            result = image_result(
                record,
                logit=float(item[LOGIT]),
                score=self.score,
                volume_ml=volume_ml(mask, affine),
                threshold=self.threshold,
                min_lesion_ml=self.min_lesion_ml,
            )
            brain_ml = volume_ml(brain, affine)
            item[RESULT] = {**result, "brain_ml": brain_ml, "output": self.output, "attribution_method": self.method}
            if self.output == MAP_OUTPUT:
                maps = torch.as_tensor(item[EXPLANATION]).float().amax(dim=0, keepdim=True)
                inside = torch.as_tensor(brain).to(maps.device)
                item[key] = MetaTensor(torch.where(inside, maps, 0.0), affine=affine)
        return item
