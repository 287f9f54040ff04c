"""From attribution maps to anomaly masks."""

from __future__ import annotations

from bundle.anomaly.conformal import (
    HealthySubjects,
    HighestScores,
    check_false_positive_bound,
    conformal_rank,
    conformal_threshold,
    smallest_threshold,
)
from bundle.anomaly.maps import (
    OUTSIDE_BRAIN,
    AnomalyMapd,
    SplitPredictiond,
    WeightByInputd,
    anomaly_map,
    map_key,
    mask_key,
)
from bundle.anomaly.probability import (
    PlattScaling,
    brier_score,
    calibrate_probability,
    calibrated_probability,
    expected_calibration_error,
)
from bundle.anomaly.threshold import (
    CALIBRATIONS,
    DECISION_LOGIT,
    HEALTHY_ONLY,
    MASKS,
    AnomalyThresholdd,
    check_calibration_rule,
    decision_point,
    load_thresholds,
    save_thresholds,
)

__all__ = [
    "CALIBRATIONS",
    "DECISION_LOGIT",
    "HEALTHY_ONLY",
    "MASKS",
    "OUTSIDE_BRAIN",
    "AnomalyMapd",
    "AnomalyThresholdd",
    "HealthySubjects",
    "HighestScores",
    "PlattScaling",
    "SplitPredictiond",
    "WeightByInputd",
    "anomaly_map",
    "brier_score",
    "calibrate_probability",
    "calibrated_probability",
    "check_calibration_rule",
    "check_false_positive_bound",
    "conformal_rank",
    "conformal_threshold",
    "decision_point",
    "expected_calibration_error",
    "load_thresholds",
    "map_key",
    "mask_key",
    "save_thresholds",
    "smallest_threshold",
]
