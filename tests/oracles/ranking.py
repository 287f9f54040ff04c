"""The ranking measures by scikit-learn, NaN where they are not defined."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve


def auroc10(mask: np.ndarray, scores: np.ndarray, fpr_max: float = 0.1) -> float:
    """Cut the ROC curve at ``fpr_max`` by hand."""
    fpr, tpr, _ = roc_curve(mask, scores, drop_intermediate=False)
    grid = np.append(fpr[fpr <= fpr_max], fpr_max)
    height = np.append(tpr[fpr <= fpr_max], np.interp(fpr_max, fpr, tpr))
    return float(auc(grid, height) / fpr_max)


def operating_point(mask: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return the highest threshold of highest F1, and that F1."""
    precision, recall, thresholds = precision_recall_curve(mask, scores)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)[-1]
    return float(thresholds[best]), float(f1[best])


def ranking_values(mask: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return what ``bundle.metrics.ranking_values`` returns."""
    mask, scores = mask.ravel(), scores.ravel()
    both = 0 < mask.sum() < mask.size
    threshold, dice = operating_point(mask, scores) if mask.any() else (math.nan, math.nan)
    return {
        "auprc": average_precision_score(mask, scores) if mask.any() else math.nan,
        "auroc": roc_auc_score(mask, scores) if both else math.nan,
        "auroc10": auroc10(mask, scores) if both else math.nan,
        "best_dice": dice,
        "best_threshold": threshold,
    }
