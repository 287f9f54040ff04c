"""Is a difference between two methods more than chance: paired permutation tests over subjects or patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bundle.metrics.summary import mean

RESAMPLES = 10_000
"""Permutations of a test, and resamples of a bootstrap (Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, IV-C)."""

_BATCH = 1000  # resamples in memory at a time


@dataclass(frozen=True)
class PairedTest:
    """A paired comparison of two methods.

    Attributes:
        difference: mean of first minus second over the units; NaN without a unit.
        p_value: two-sided p-value, without correction; NaN when no test is possible.
        units: subjects or patients that were compared.
        reason: why no test is possible; empty when there is one.
        low: lower end of the 95 % bootstrap interval of the difference; NaN when no test is possible.
        high: upper end of it.
    """

    difference: float
    p_value: float
    units: int
    reason: str = ""
    low: float = math.nan
    high: float = math.nan


def paired_permutation_test(
    first: Sequence[float], second: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> PairedTest:
    """Test whether the mean of paired differences is zero, by exchanging the two values of random pairs.

    With up to ``log2(resamples)`` units all exchanges are made and the p-value is exact.

    Args:
        first: one finite value a unit.
        second: its value by the other method, in the same order.
        resamples: exchanges to draw where not all are made.
        seed: seed of the draw.

    Raises:
        ValueError: When the lengths differ, or a value is not finite.
    """
    pairs = _finite(first), _finite(second)
    units = len(pairs[0])
    if units != len(pairs[1]):
        raise ValueError(f"paired values must be equally many, got {units} and {len(pairs[1])}. Pass the same units.")
    differences = pairs[0] - pairs[1]
    if units < 2:
        reason = f"a test needs at least 2 units, got {units}"
        return PairedTest(float(differences.mean()) if units else math.nan, math.nan, units, reason)
    result = stats.permutation_test(
        pairs,
        _mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_BATCH,
        alternative="two-sided",
        random_state=np.random.default_rng(seed),
    )
    low, high = bootstrap_interval(differences, resamples=resamples, seed=seed)
    return PairedTest(float(differences.mean()), float(result.pvalue), units, low=low, high=high)


def compare_subjects(
    first: Mapping[str, float],
    second: Mapping[str, float],
    *,
    patients: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedTest:
    """Test two methods on the same subjects.

    A subject whose value is NaN for one method, such as the AUPRC of a slice without a lesion, is left out of both.

    Args:
        first: subject -> value by one method, see `average_seeds`.
        second: subject -> value by the other.
        patients: subject -> patient, where several subjects (slices) come from one: then the patients are the units
            and the value of one is the mean over its subjects, since slices of a patient are not independent.
        resamples: see `paired_permutation_test`.
        seed: see `paired_permutation_test`.

    Raises:
        ValueError: When one method lacks a subject.
    """
    if first.keys() != second.keys():
        lacking = sorted(first.keys() ^ second.keys())[0]
        side = "first" if lacking not in first else "second"
        raise ValueError(f"both methods must have every subject, the {side} lacks {lacking!r}. Evaluate it on one set.")
    grouped: dict[str, list[str]] = {}
    for subject in sorted(first):
        if not (math.isnan(first[subject]) or math.isnan(second[subject])):
            grouped.setdefault(patients[subject] if patients else subject, []).append(subject)
    values = [[mean(side[subject] for subject in unit) for unit in grouped.values()] for side in (first, second)]
    return paired_permutation_test(values[0], values[1], resamples=resamples, seed=seed)


def average_seeds(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return each subject's mean over the runs (seeds) in which it has a value; NaN when it has one in none.

    Args:
        values: subject and value, once a run.
    """
    runs: dict[str, list[float]] = {}
    for subject, value in values:
        runs.setdefault(subject, []).append(value)
    return {subject: mean(found) for subject, found in runs.items()}


def bonferroni(p_value: float, comparisons: int) -> float:
    """Return a p-value that is corrected for the number of comparisons; NaN stays NaN.

    Raises:
        ValueError: When ``comparisons`` is below 1.
    """
    if comparisons < 1:
        raise ValueError(f"comparisons must be at least 1, got {comparisons}.")
    return p_value if math.isnan(p_value) else min(1.0, p_value * comparisons)


def smallest_p(units: int, resamples: int = RESAMPLES) -> float:
    """Return the smallest two-sided p-value that `paired_permutation_test` can give.

    Of all exchanges only two are then as extreme as the observed values: those themselves and their mirror image. Of
    drawn exchanges none is, and SciPy counts the observed values as one more on each side.
    """
    return 2.0 / 2**units if 2**units <= resamples else 2.0 / (resamples + 1)


def bootstrap_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean; NaN for fewer than two values.

    Args:
        values: one finite value a unit.
        level: confidence level.
        resamples: resamples to draw.
        seed: seed of the draw.

    Raises:
        ValueError: When a value is not finite, or ``level`` does not lie in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}.")
    sample = _finite(values)
    if len(sample) < 2:
        return math.nan, math.nan
    interval = stats.bootstrap(
        (sample,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        batch=_BATCH,
        method="percentile",  # the others divide by zero where all values are equal
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _mean_difference(first: NDArray[np.float64], second: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.mean(first - second, axis=axis)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(f"values must be finite, value {wrong[0]} is {array[wrong[0]]}. Leave its unit out.")
    return array
