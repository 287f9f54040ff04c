"""Operating point: the threshold that turns an anomaly map into a mask, its file, and the transform that applies it."""

from __future__ import annotations

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
from bundle.data.files import file_sha256, write_text_atomically

DECISION_LOGIT = 0.0
"""A subject is called pathological when its image logit is above this: probability one half."""

MASKS = "masks"
"""Rule of thresholds chosen with lesion masks: the highest pooled Dice."""

HEALTHY_ONLY = "healthy"
"""Rule of thresholds chosen from healthy images: a bound on false positives, see :py:mod:`bundle.anomaly.conformal`."""

CALIBRATIONS = (MASKS, HEALTHY_ONLY)
"""The rules by which thresholds can be chosen."""

THRESHOLD_FACTOR_MAX = 100.0
"""A threshold given by hand may be this many times the calibrated one; above it, masks are empty whatever the image."""


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


def check_calibration_rule(calibration: str) -> None:
    """Raise a ValueError when ``calibration`` is not one of :py:data:`CALIBRATIONS`."""
    if calibration not in CALIBRATIONS:
        raise ValueError(
            f"calibration must be one of {', '.join(CALIBRATIONS)}, got {calibration!r}. Correct the name."
        )


def check_threshold(threshold: float, calibrated: float) -> None:
    """Check a threshold that somebody gives in the place of the calibrated one.

    Args:
        threshold: threshold given, in the unit of the map.
        calibrated: calibrated threshold of the same map.

    Raises:
        ValueError: When it is no finite number, negative, which would mark voxels that speak for health, or more than
            :py:data:`THRESHOLD_FACTOR_MAX` times the calibrated one.
    """
    highest = THRESHOLD_FACTOR_MAX * calibrated if calibrated > 0 else math.inf
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool) and math.isfinite(threshold)
    if not number or threshold < min(0.0, calibrated) or threshold > highest:
        raise ValueError(
            f"threshold must be a number from 0 to {highest:.4g}, {THRESHOLD_FACTOR_MAX:g} times the calibrated one, "
            f"got {threshold!r}. Correct it, or leave it out for the calibrated {calibrated:.4g}."
        )


def save_thresholds(
    path: str | os.PathLike[str],
    model_file: str | os.PathLike[str],
    thresholds: Mapping[str, float],
    calibrated_on: Mapping[str, Any] | None = None,
    decision_logit: float = DECISION_LOGIT,
    *,
    calibration: str = MASKS,
    healthy_only: Mapping[str, Any] | None = None,
    probability: Mapping[str, Any] | None = None,
) -> None:
    """Write operating points to a threshold file, together with the hash of the weights they belong to.

    Args:
        path: the JSON file to write.
        model_file: weights that gave the scores.
        thresholds: score name (``attribution``, ``intensity``, ...) -> threshold.
        calibrated_on: facts worth keeping, such as subjects and the Dice reached.
        decision_logit: image logit above which the decision is pathological.
        calibration: rule that gave ``thresholds``, one of :py:data:`CALIBRATIONS`.
        healthy_only: what :py:meth:`bundle.anomaly.HealthySubjects.record` returns, where there is one.
        probability: what :py:func:`bundle.anomaly.calibrate_probability` returns, where there is one.
    """
    check_calibration_rule(calibration)
    record = {
        "model_sha256": file_sha256(model_file),
        "calibration": calibration,
        "thresholds": {name: float(value) for name, value in thresholds.items()},
        "decision": {"logit": float(decision_logit)},
        **({} if healthy_only is None else {"healthy_only": dict(healthy_only)}),
        **({} if probability is None else {"probability": dict(probability)}),
        "calibrated_on": dict(calibrated_on or {}),
    }
    write_text_atomically(path, json.dumps(record, indent=4, allow_nan=False) + "\n")


def load_thresholds(
    path: str | os.PathLike[str],
    model_file: str | os.PathLike[str] | None = None,
    calibration: str | None = None,
) -> dict[str, Any]:
    """Read a threshold file and check that it belongs to the weights in use.

    Args:
        path: a file written by :py:func:`save_thresholds`.
        model_file: weights in use; ``None`` skips the check, for readers that have no weights.
        calibration: rule whose thresholds are wanted, one of :py:data:`CALIBRATIONS`; ``None`` takes those that the
            file was written for.

    Returns:
        The record; its entries ``calibration`` and ``thresholds`` are those of the rule. ``healthy_only`` and
        ``probability`` are missing where the file has none.

    Raises:
        FileNotFoundError: When either file is missing.
        ValueError: When the file is no threshold file, was calibrated for other weights, or lacks the rule.
    """
    for file in (path, model_file):
        if file is not None and not Path(file).is_file():
            raise FileNotFoundError(f"no such file: {file}. Train with train.yaml, then calibrate with evaluate.yaml.")
    try:
        record = dict(json.loads(Path(path).read_text(encoding="utf-8")))
        record.setdefault("calibration", MASKS)  # files written before there was another rule
        _check_numbers([*record["thresholds"].values(), record["decision"]["logit"]])
        expected = record["model_sha256"]
        if "healthy_only" in record:
            _check_numbers(list(record["healthy_only"]["thresholds"].values()))
        if "probability" in record and record["probability"]["method"] is not None:
            _check_numbers([record["probability"]["slope"], record["probability"]["intercept"]])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no threshold file: {error!r}. Recalibrate with evaluate.yaml.") from error
    if model_file is not None and file_sha256(model_file) != expected:
        raise ValueError(
            f"{path} was calibrated for other weights than {model_file} (sha256 {str(expected)[:12]}... expected, "
            f"{file_sha256(model_file)[:12]}... found). Recalibrate with evaluate.yaml."
        )
    return record if calibration is None else _by_rule(record, calibration, path)


def mask_threshold(
    path: str | os.PathLike[str],
    model_file: str | os.PathLike[str] | None = None,
    calibration: str | None = None,
    score: str = ATTRIBUTION,
    threshold: float | None = None,
) -> float:
    """Return the threshold that masks are made with.

    Args:
        path: threshold file.
        model_file: weights in use, see :py:func:`load_thresholds`.
        calibration: rule of the threshold, see there.
        score: score that is thresholded.
        threshold: threshold given by hand; None takes that of the file.

    Raises:
        FileNotFoundError: When a file is missing.
        ValueError: When the file is of no use, has no threshold of the score, or ``threshold`` is absurd, see
            :py:func:`check_threshold`.
    """
    calibrated = _of_score(load_thresholds(path, model_file, calibration)["thresholds"], score, path)
    if threshold is None:
        return calibrated
    check_threshold(threshold, calibrated)
    return float(threshold)


def _of_score(thresholds: Mapping[str, float], score: str, path: str | os.PathLike[str] | None) -> float:
    """Return the threshold of a score."""
    if score not in thresholds:
        raise ValueError(
            f"{path} has no threshold of {score!r}, only of {sorted(thresholds)}. Recalibrate with evaluate.yaml."
        )
    return float(thresholds[score])


def _check_numbers(numbers: Sequence[Any]) -> None:
    if not numbers or not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
        raise ValueError(f"thresholds and scalings must be finite numbers, got {numbers}")


def _by_rule(record: dict[str, Any], calibration: str, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the record with the thresholds of a rule in use."""
    check_calibration_rule(calibration)
    if record["calibration"] == calibration:
        return record
    if calibration == HEALTHY_ONLY and "healthy_only" in record:
        return {**record, "calibration": calibration, "thresholds": record["healthy_only"]["thresholds"]}
    raise ValueError(
        f"{path} has no thresholds of the rule {calibration!r}, only of {record['calibration']!r}. "
        "Recalibrate with evaluate.yaml."
    )


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
        calibration: rule whose thresholds are taken from the file, see :py:func:`load_thresholds`.

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
        calibration: str | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if (threshold is None) == (threshold_file is None):
            raise ValueError(
                f"give exactly one of threshold and threshold_file, got {threshold!r} and {threshold_file!r}."
            )
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.calibration = calibration
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
            record = load_thresholds(self.threshold_file, self.model_file, self.calibration)
            self._thresholds = record["thresholds"]
        return _of_score(self._thresholds, name, self.threshold_file)

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
