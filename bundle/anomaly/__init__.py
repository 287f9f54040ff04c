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
from bundle.anomaly.equalised import EqualiseIntensityd
from bundle.anomaly.lesion_size import RemoveSmallLesionsd, check_min_lesion
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
from bundle.anomaly.result import image_result
from bundle.anomaly.threshold import (
    CALIBRATIONS,
    DECISION_LOGIT,
    HEALTHY_ONLY,
    MASKS,
    THRESHOLD_FACTOR_MAX,
    AnomalyThresholdd,
    check_calibration_rule,
    check_threshold,
    decision_point,
    load_thresholds,
    mask_threshold,
    save_thresholds,
)

__all__ = [
    "CALIBRATIONS",
    "DECISION_LOGIT",
    "HEALTHY_ONLY",
    "MASKS",
    "OUTSIDE_BRAIN",
    "THRESHOLD_FACTOR_MAX",
    "AnomalyMapd",
    "AnomalyThresholdd",
    "EqualiseIntensityd",
    "HealthySubjects",
    "HighestScores",
    "PlattScaling",
    "RemoveSmallLesionsd",
    "SplitPredictiond",
    "WeightByInputd",
    "anomaly_map",
    "brier_score",
    "calibrate_probability",
    "calibrated_probability",
    "check_calibration_rule",
    "check_false_positive_bound",
    "check_min_lesion",
    "check_threshold",
    "conformal_rank",
    "conformal_threshold",
    "decision_point",
    "expected_calibration_error",
    "image_result",
    "load_thresholds",
    "map_key",
    "mask_key",
    "mask_threshold",
    "save_thresholds",
    "smallest_threshold",
]
