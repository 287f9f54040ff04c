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
POSTPROCESSING = (
    "SplitPredictiond",
    "Invertd",
    "WeightByInputd",
    "AnomalyMapd",
    "AnomalyThresholdd",
    "RemoveSmallLesionsd",
)
SCORES = (ATTRIBUTION, INPUT_WEIGHTED)
"""Transforms and scores of configs/inference.yaml that a record can describe, beside those for requests of viewers."""

_VIEWER = "bundle.viewer."


def deployment_record(
    *,
    preprocessing: Compose,
    postprocessing: Compose,
    thresholds: Mapping[str, Any],
    score: str,
    name: str,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Describe an exported network's input and the steps around it.

    Args:
        preprocessing: transforms of configs/inference.yaml.
        postprocessing: transforms of configs/inference.yaml.
        thresholds: what :py:func:`bundle.anomaly.load_thresholds` returns.
        score: score that is thresholded.
        name: name of the model.
        threshold: threshold of the mask where it is not the calibrated one.

    Returns:
        The record, as JSON holds it.

    Raises:
        ValueError: When the transforms are others than those that a record can describe, small lesions are removed, or
            the score has no threshold.
    """
    grid = model_grid(preprocessing)
    removal = _checked_steps("postprocessing", postprocessing, POSTPROCESSING)[-1]
    if removal.min_ml > 0:
        raise ValueError(f"min_lesion_ml must be 0 in an export, which removes nothing, got {removal.min_ml:g}")
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
        "threshold": thresholds["thresholds"][score] if threshold is None else float(threshold),
        "calibration": thresholds["calibration"],
        "decision_logit": thresholds["decision"]["logit"],
        "probability_scaling": None if scaling["method"] is None else {k: scaling[k] for k in ("slope", "intercept")},
    }


def model_grid(preprocessing: Compose) -> FitToGridd:
    """Return the step of a preprocessing that lays volumes on the model's grid.

    Raises:
        ValueError: When the transforms are others than those of configs/inference.yaml, such as those for slices.
    """
    steps = _checked_steps("preprocessing", preprocessing, PREPROCESSING)
    grid: FitToGridd = steps[PREPROCESSING.index("FitToGridd")]
    return grid


def _checked_steps(what: str, transforms: Compose, expected: Sequence[str]) -> list[Any]:
    """Return the transforms without those for viewers, after their check."""
    steps = [step for step in transforms.transforms if not type(step).__module__.startswith(_VIEWER)]
    found = tuple(type(step).__name__ for step in steps)
    if found != tuple(expected):
        raise ValueError(
            f"{what} must be that of configs/inference.yaml, {', '.join(expected)}, got {', '.join(found)}; "
            "export the network alone with monai.bundle ckpt_export or onnx_export"
        )
    return steps
