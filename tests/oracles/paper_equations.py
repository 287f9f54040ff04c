"""Equations 2 and 3 of the paper and the priors compared with them, in float64 NumPy.

Voxel by voxel formulas, and nothing shared with the package.
"""

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


def ross(attributions: np.ndarray, labels: np.ndarray) -> float:
    """Sum of the squared attributions of the healthy images."""
    return float(sum(v * v for a, y in zip(attributions, labels, strict=True) if y == 0 for v in a.ravel()))


def total_variation(attributions: np.ndarray, *, standardise: bool) -> float:
    """Mean absolute difference of every voxel and its successor along an axis, one axis after the other."""
    if standardise:
        attributions = np.stack([(a - a.mean()) / a.std() for a in attributions])
    terms = []
    for axis in range(2, attributions.ndim):
        lines = np.moveaxis(attributions, axis, -1).reshape(-1, attributions.shape[axis])
        terms.append(np.mean([abs(line[i + 1] - line[i]) for line in lines for i in range(len(line) - 1)]))
    return float(sum(terms))
