"""Where the attribution that speaks for pathology lies: in the lesion, or elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def share_outside_lesion(attribution: NDArray[Any], lesion: NDArray[np.bool_]) -> float:
    """Return the share of the positive attribution that lies outside the lesion; NaN where none is positive.

    Args:
        attribution: attributions of a patient's brain voxels.
        lesion: whether each lies in the lesion.

    Shape:
        - attribution, lesion: ``(N,)``.
    """
    positive = np.clip(attribution.astype(np.float64), 0, None)
    total = float(positive.sum())
    return float(positive[~lesion].sum()) / total if total > 0 else math.nan
