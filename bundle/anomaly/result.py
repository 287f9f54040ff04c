"""What is said of one image beside its maps: decision, probability, threshold and volume, in one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.special import expit

from bundle import __version__
from bundle.anomaly.probability import calibrated_probability


def image_result(
    record: Mapping[str, Any],
    *,
    logit: float,
    score: str,
    volume_ml: float,
    threshold: float | None = None,
    min_lesion_ml: float = 0.0,
) -> dict[str, Any]:
    """Return the record of an image, as result files and viewers show it.

    Args:
        record: what :py:func:`bundle.anomaly.load_thresholds` returns.
        logit: image logit.
        score: score that the mask was made from.
        volume_ml: volume of the mask.
        threshold: threshold of the mask where it is not the calibrated one.
        min_lesion_ml: volume below which parts of the mask were removed.

    Returns:
        ``decision``, ``probability`` (sigmoid of the logit), ``probability_calibrated`` where the thresholds came with
        a scaling, ``logit``, ``decision_logit``, ``score``, ``threshold`` in use, ``threshold_calibrated`` beside a
        threshold given by hand, ``calibration``, ``min_lesion_ml`` where parts were removed, ``volume_ml``,
        ``model_sha256`` and ``version``.
    """
    decision_logit = record["decision"]["logit"]
    probability = calibrated_probability(record, logit)
    calibrated = float(record["thresholds"][score])
    return {
        "decision": "pathological" if logit > decision_logit else "healthy",
        "probability": float(expit(logit)),
        **({} if probability is None else {"probability_calibrated": probability}),
        "logit": logit,
        "decision_logit": decision_logit,
        "score": score,
        "threshold": calibrated if threshold is None else float(threshold),
        **({} if threshold is None else {"threshold_calibrated": calibrated}),
        "calibration": record["calibration"],
        **({"min_lesion_ml": float(min_lesion_ml)} if min_lesion_ml > 0 else {}),
        "volume_ml": volume_ml,
        "model_sha256": record["model_sha256"],
        "version": __version__,
    }
