"""From attribution maps to anomaly masks."""

from __future__ import annotations

from bundle.anomaly.maps import (
    OUTSIDE_BRAIN,
    AnomalyMapd,
    SplitPredictiond,
    WeightByInputd,
    anomaly_map,
    map_key,
    mask_key,
)
from bundle.anomaly.threshold import (
    DECISION_LOGIT,
    AnomalyThresholdd,
    decision_point,
    file_sha256,
    load_thresholds,
    operating_point,
    ranked_counts,
    save_thresholds,
    write_text_atomically,
)

__all__ = [
    "DECISION_LOGIT",
    "OUTSIDE_BRAIN",
    "AnomalyMapd",
    "AnomalyThresholdd",
    "SplitPredictiond",
    "WeightByInputd",
    "anomaly_map",
    "decision_point",
    "file_sha256",
    "load_thresholds",
    "map_key",
    "mask_key",
    "operating_point",
    "ranked_counts",
    "save_thresholds",
    "write_text_atomically",
]
