"""Operating point: the threshold that turns an anomaly map into a mask, its file, and the transform that applies it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import ensure_tuple_rep

from bundle.anomaly.maps import map_key, mask_key
from bundle.conventions import ATTRIBUTION

DECISION_LOGIT = 0.0
"""A subject is called pathological when its image logit is above this: probability one half."""


def ranked_counts(scores: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Count the voxels at or above every distinct score. Tied voxels share one entry, as in scikit-learn.

    Args:
        scores: voxel scores, higher = more anomalous, of any shape.
        mask: lesion mask of the same number of voxels; non-zero = lesion.

    Returns:
        Distinct scores in falling order (float), and the lesion and healthy voxels at or above each (int64).

    Raises:
        ValueError: When the two differ in size, are empty, or a score is not finite.
    """
    if scores.numel() != mask.numel() or scores.numel() == 0:
        raise ValueError(
            f"scores and mask must hold the same number of voxels, at least one, got {scores.numel()} and "
            f"{mask.numel()}. Bring both to one grid first."
        )
    flat = scores.detach().reshape(-1)
    if not bool(torch.isfinite(flat).all()):
        count = int((~torch.isfinite(flat)).sum())
        raise ValueError(f"scores must be finite, got {count} NaN or infinite values. Check the image and the weights.")
    ordered, order = torch.sort(flat, descending=True)
    positive = (mask.reshape(-1) != 0)[order].to(torch.int64).cumsum(0)
    last_of_tie = torch.ones_like(ordered, dtype=torch.bool)
    last_of_tie[:-1] = ordered[1:] != ordered[:-1]
    rank = torch.nonzero(last_of_tie).flatten()
    true_positives = positive[rank]
    return ordered[rank], true_positives, rank + 1 - true_positives


def operating_point(scores: torch.Tensor, mask: torch.Tensor, *, missed: int = 0) -> tuple[float, float]:
    """Find the threshold of highest pooled Dice; a voxel is called anomalous when its score is at least the threshold.

    The search is exact: every distinct score is tried. Of equal optima the highest threshold is taken.

    Args:
        scores: scores of all voxels of all subjects, pooled.
        mask: their lesion mask.
        missed: lesion voxels that no threshold can reach, such as those outside the brain.

    Returns:
        The threshold and its Dice coefficient.

    Raises:
        ValueError: When there is no lesion voxel.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023: operating point of the precision-recall curve of the
        validation set, reused on every test set.
    """
    thresholds, true_positives, false_positives = ranked_counts(scores, mask)
    lesion = int(true_positives[-1]) + missed
    if lesion == 0:
        raise ValueError("an operating point needs lesion voxels, got 0. Calibrate on subjects with a lesion mask.")
    dice = 2 * true_positives.double() / (true_positives + false_positives + lesion).double()
    best = int(torch.argmax(dice))
    return float(thresholds[best]), float(dice[best])


def decision_point(logits: Sequence[float], labels: Sequence[int]) -> float:
    """Find the logit above which calling an image pathological is right most often, classes weighing the same.

    Candidates lie half way between neighbouring logits; of equally good ones the nearest to 0 is taken.

    Args:
        logits: image logits.
        labels: their labels.

    Returns:
        The decision logit; 0 when a class is missing, because nothing can be chosen then.
    """
    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if len(set(truth.tolist())) < 2:
        return DECISION_LOGIT
    distinct = np.unique(values)
    candidates = np.concatenate([(distinct[1:] + distinct[:-1]) / 2, [DECISION_LOGIT]])
    positive = values[None] > candidates[:, None]
    balanced = positive[:, truth == 1].mean(1) - positive[:, truth == 0].mean(1)
    best = candidates[balanced >= balanced.max() - 1e-12]
    return float(best[np.argmin(np.abs(best))])


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file so that its name never holds half of it: to a hidden neighbour first, then rename."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def save_thresholds(
    path: str | os.PathLike[str],
    model_file: str | os.PathLike[str],
    thresholds: Mapping[str, float],
    calibrated_on: Mapping[str, Any] | None = None,
    decision_logit: float = DECISION_LOGIT,
) -> None:
    """Write operating points to a threshold file, together with the hash of the weights they belong to.

    Args:
        path: the JSON file to write.
        model_file: weights that gave the scores.
        thresholds: score name (``attribution``, ``intensity``, ...) -> threshold.
        calibrated_on: facts worth keeping, such as subjects and the Dice reached.
        decision_logit: image logit above which the decision is pathological.
    """
    record = {
        "model_sha256": file_sha256(model_file),
        "thresholds": {name: float(value) for name, value in thresholds.items()},
        "decision": {"logit": float(decision_logit)},
        "calibrated_on": dict(calibrated_on or {}),
    }
    write_text_atomically(path, json.dumps(record, indent=4, allow_nan=False) + "\n")


def load_thresholds(path: str | os.PathLike[str], model_file: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Read a threshold file and check that it belongs to the weights in use.

    Args:
        path: a file written by :py:func:`save_thresholds`.
        model_file: weights in use; ``None`` skips the check, for readers that have no weights.

    Raises:
        FileNotFoundError: When either file is missing.
        ValueError: When the file is no threshold file, or was calibrated for other weights.
    """
    for file in (path, model_file):
        if file is not None and not Path(file).is_file():
            raise FileNotFoundError(f"no such file: {file}. Train with train.yaml, then calibrate with evaluate.yaml.")
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        thresholds = record["thresholds"]
        decision = record["decision"]["logit"]
        expected = record["model_sha256"]
        numbers = [*thresholds.values(), decision]
        if not numbers or not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
            raise ValueError(f"thresholds must be finite numbers, got {numbers}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no threshold file: {error!r}. Recalibrate with evaluate.yaml.") from error
    if model_file is not None and file_sha256(model_file) != expected:
        raise ValueError(
            f"{path} was calibrated for other weights than {model_file} (sha256 {str(expected)[:12]}... expected, "
            f"{file_sha256(model_file)[:12]}... found). Recalibrate with evaluate.yaml."
        )
    return dict(record)


class AnomalyThresholdd(MapTransform):
    """Turn anomaly maps into masks: 1 where ``map_key(key)`` is at least the threshold, 0 elsewhere.

    A threshold file is read when the first item arrives, so that a file which a calibration run has yet to write
    can be named when a workflow is put together.

    Args:
        keys: score names; the map is read from ``map_key(key)``, the threshold of a file from entry ``key``.
        threshold: threshold, one for all scores or one per score, in the unit of the map.
        threshold_file: file of :py:func:`save_thresholds` to take the thresholds from instead.
        model_file: weights in use, checked against the threshold file.
        output_keys: where masks are written; ``mask_key(key)`` by default.
        allow_missing_keys: skip scores whose map an item does not have.

    Shape:
        - map: ``(1, *spatial)``.
        - mask: ``(1, *spatial)``, uint8.

    Raises:
        ValueError: When not exactly one of ``threshold`` and ``threshold_file`` is given, or the file has no
            threshold of a score.
    """

    def __init__(
        self,
        keys: KeysCollection = ATTRIBUTION,
        threshold: float | Sequence[float] | None = None,
        threshold_file: str | os.PathLike[str] | None = None,
        model_file: str | os.PathLike[str] | None = None,
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if (threshold is None) == (threshold_file is None):
            raise ValueError(
                f"give exactly one of threshold and threshold_file, got {threshold!r} and {threshold_file!r}."
            )
        self.threshold_file = threshold_file
        self.model_file = model_file
        default_keys = [mask_key(str(key)) for key in self.keys]
        self.output_keys = ensure_tuple_rep(default_keys if output_keys is None else output_keys, len(self.keys))
        self._thresholds: dict[str, float] | None = None
        if threshold is not None:
            values = ensure_tuple_rep(threshold, len(self.keys))
            self._thresholds = {str(key): float(value) for key, value in zip(self.keys, values, strict=True)}

    def threshold(self, name: str) -> float:
        """Return the threshold of the score ``name``, reading the threshold file when it has not been read yet."""
        if self._thresholds is None:
            assert self.threshold_file is not None  # checked at construction
            self._thresholds = load_thresholds(self.threshold_file, self.model_file)["thresholds"]
        if name not in self._thresholds:
            raise ValueError(
                f"{self.threshold_file} has no threshold of {name!r}, only of {sorted(self._thresholds)}. "
                "Recalibrate with evaluate.yaml."
            )
        return self._thresholds[name]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add one mask per anomaly map to a copy of ``data``."""
        item = dict(data)
        for key, output_key in zip(self.keys, self.output_keys, strict=True):
            name = str(key)
            if map_key(name) in item:
                item[output_key] = (item[map_key(name)] >= self.threshold(name)).to(torch.uint8)
            elif not self.allow_missing_keys:
                raise KeyError(f"{map_key(name)!r} is missing from the item. Apply AnomalyMapd to {name!r} first.")
        return item
