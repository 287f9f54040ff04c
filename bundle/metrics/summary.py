"""Summaries over subjects."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bundle.conventions import HEALTHY, PATHOLOGICAL


def mean(values: Iterable[float | None]) -> float:
    """Return the mean of the values that are known; NaN when none is."""
    known = _known(values)
    return statistics.fmean(known) if known else math.nan


def standard_deviation(values: Iterable[float | None]) -> float:
    """Return the sample standard deviation (n - 1) of the values that are known; NaN for fewer than two."""
    known = _known(values)
    return statistics.stdev(known) if len(known) > 1 else math.nan


def classification_rates(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Count how often ``decision`` equals ``label`` among pathological (TPR) and healthy (TNR) subjects.

    Args:
        rows: one mapping per subject with ``label`` and ``decision``, each 0 or 1.

    Returns:
        ``tpr``, ``tnr`` (NaN when the class is absent) and the subjects of each class.
    """
    right: dict[int, list[float | None]] = {HEALTHY: [], PATHOLOGICAL: []}
    for row in rows:
        right[int(row["label"])].append(float(row["decision"] == row["label"]))
    return {
        "tpr": mean(right[PATHOLOGICAL]),
        "tnr": mean(right[HEALTHY]),
        "pathological_subjects": len(right[PATHOLOGICAL]),
        "healthy_subjects": len(right[HEALTHY]),
    }


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]
