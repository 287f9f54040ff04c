"""Equations 2 and 3 of the paper in float64 NumPy, voxel by voxel formulas and nothing shared with the package."""

from __future__ import annotations

import numpy as np


def cross_entropy(logit: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cross entropy of sigmoid(logit) against the target; logaddexp(0, a) is -log(1 - sigmoid(a))."""
    return target * np.logaddexp(0.0, -logit) + (1.0 - target) * np.logaddexp(0.0, logit)


def classification(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(cross_entropy(logits, labels)))


def unsupervised(attributions: np.ndarray, labels: np.ndarray) -> float:
    """Equation 2: the healthy images of the batch against an all-zero map."""
    healthy = [a for a, y in zip(attributions, labels, strict=True) if y == 0]
    if not healthy:
        return 0.0
    return float(np.mean([cross_entropy(a, np.zeros_like(a)) for a in healthy]))


def supervised(attributions: np.ndarray, maps: np.ndarray) -> float:
    """Equation 3: every voxel that somebody annotated (NaN marks the others)."""
    terms = [cross_entropy(a, m) for a, m in zip(attributions.ravel(), maps.ravel(), strict=True) if not np.isnan(m)]
    return float(np.mean(terms)) if terms else 0.0
