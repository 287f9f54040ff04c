"""What a program needs besides the exported network to segment a volume: grid, normalisation, threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai.transforms import Compose

from bundle import __version__
from bundle.conventions import ATTRIBUTION, IMAGE, INPUT_WEIGHTED, PRED
from bundle.data.grid import BRAIN_CENTRE_MM, FitToGridd

FORMAT = 1
"""Version of the record's layout."""

PREPROCESSING = ("LoadFlaird", "CopyItemsd", "NormalizeIntensityd", "FitToGridd", "RobustNormalizeIntensityd")
POSTPROCESSING = ("SplitPredictiond", "Invertd", "WeightByInputd", "AnomalyMapd", "AnomalyThresholdd")
SCORES = (ATTRIBUTION, INPUT_WEIGHTED)
"""Transforms and scores of configs/inference.yaml that a record can describe."""


def deployment_record(
    *,
    preprocessing: Compose,
    postprocessing: Compose,
    thresholds: Mapping[str, Any],
    score: str,
    name: str,
) -> dict[str, Any]:
    """Describe an exported network's input and the steps around it.

    Args:
        preprocessing: transforms of configs/inference.yaml.
        postprocessing: transforms of configs/inference.yaml.
        thresholds: what :py:func:`bundle.anomaly.load_thresholds` returns.
        score: score that is thresholded.
        name: name of the model.

    Returns:
        The record, as JSON holds it.

    Raises:
        ValueError: When the transforms are others than those that a record can describe, or the score has no threshold.
    """
    grid = model_grid(preprocessing)
    _check_steps("postprocessing", postprocessing, POSTPROCESSING)
    usable = [name for name in SCORES if name in thresholds["thresholds"]]
    if score not in usable:
        raise ValueError(f"score must be one of {usable}, which have a threshold, got {score!r}; choose another score")
    scaling = thresholds.get("probability") or {"method": None}
    return {
        "format": FORMAT,
        "name": name,
        "version": __version__,
        "model_sha256": thresholds["model_sha256"],
        "input": IMAGE,
        "output": PRED,
        "grid": {
            "shape": list(grid.shape),
            "spacing_mm": grid.spacing_mm,
            "origin_mm": grid.affine[:3, 3].tolist(),
            "brain_centre_mm": list(BRAIN_CENTRE_MM),
        },
        "normalisation": "median_mad",
        "score": score,
        "threshold": thresholds["thresholds"][score],
        "calibration": thresholds["calibration"],
        "decision_logit": thresholds["decision"]["logit"],
        "probability_scaling": None if scaling["method"] is None else {k: scaling[k] for k in ("slope", "intercept")},
    }


def model_grid(preprocessing: Compose) -> FitToGridd:
    """Return the step of a preprocessing that lays volumes on the model's grid.

    Raises:
        ValueError: When the transforms are others than those of configs/inference.yaml, such as those for slices.
    """
    _check_steps("preprocessing", preprocessing, PREPROCESSING)
    grid: FitToGridd = preprocessing.transforms[PREPROCESSING.index("FitToGridd")]
    return grid


def _check_steps(what: str, transforms: Compose, expected: Sequence[str]) -> None:
    found = tuple(type(transform).__name__ for transform in transforms.transforms)
    if found != tuple(expected):
        raise ValueError(
            f"{what} must be that of configs/inference.yaml, {', '.join(expected)}, got {', '.join(found)}; "
            "export the network alone with monai.bundle ckpt_export or onnx_export"
        )
