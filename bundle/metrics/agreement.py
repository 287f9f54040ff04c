"""Agreement of two maps of one image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Return Pearson's correlation coefficient of the voxels of two maps, in float64.

    Args:
        first: map, or those of its voxels that count, such as the brain's.
        second: map on the same voxels.

    Returns:
        A value in [-1, 1], or NaN when either map is constant or has fewer than two voxels: a map without any contrast
        neither agrees nor disagrees with another one.

    Raises:
        ValueError: When the shapes differ, or a value is not finite.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, section IV-C: covariance over the product of the deviations.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"two maps must share one shape, got {a.shape} and {b.shape}. Bring both to one grid first.")
    for values in (a, b):
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise ValueError(f"maps must be finite, got {count} NaN or infinite values. Check the weights of the map.")
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(_scaled(a), _scaled(b))[0, 1])


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre and scale to a range of one, so that no square of a small attribution underflows."""
    return ((values - values.mean()) / np.ptp(values)).ravel()
