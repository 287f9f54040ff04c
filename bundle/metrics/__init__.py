"""Measures of ranking and overlap, and their summaries."""

from __future__ import annotations

from bundle.metrics.constraint import HealthyNegativeFraction, decision_and_label
from bundle.metrics.overlap import dice, volume_ml
from bundle.metrics.ranking import FPR_MAX, RankingCurve, auprc, auroc, auroc10
from bundle.metrics.summary import classification_rates, mean, standard_deviation

__all__ = [
    "FPR_MAX",
    "HealthyNegativeFraction",
    "RankingCurve",
    "auprc",
    "auroc",
    "auroc10",
    "classification_rates",
    "decision_and_label",
    "dice",
    "mean",
    "standard_deviation",
    "volume_ml",
]
