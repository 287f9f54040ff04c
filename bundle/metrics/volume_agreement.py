"""Agreement of predicted and true lesion volumes over subjects."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bundle.metrics.summary import standard_deviation

LIMITS_SD = 1.96
"""Standard deviations from the bias to a limit of agreement: 95 % of normally distributed differences lie between."""


@dataclass(frozen=True)
class VolumeAgreement:
    """How far predicted volumes lie from true ones; a difference is predicted minus true.

    Attributes:
        subjects: subjects compared.
        absolute_difference_ml: mean absolute difference.
        bias_ml: mean difference; positive = too much is marked.
        lower_limit_ml: lower limit of agreement, NaN for fewer than two subjects.
        upper_limit_ml: upper limit of agreement, likewise.
        correlation: Pearson correlation; NaN for fewer than two subjects or when either volume never changes.
    """

    subjects: int
    absolute_difference_ml: float
    bias_ml: float
    lower_limit_ml: float
    upper_limit_ml: float
    correlation: float


def volume_agreement(predicted_ml: Sequence[float], true_ml: Sequence[float]) -> VolumeAgreement:
    """Compare the volumes of the same subjects. A subject without lesion has volume 0 and counts.

    Args:
        predicted_ml: predicted volume of each subject.
        true_ml: true volume of each subject, in the same order.

    Raises:
        ValueError: When the two differ in length, are empty, or a volume is negative or not finite.

    Source:
        Bland and Altman, The Lancet 327, 1986, for bias and limits; the standard deviation divides by n - 1.
    """
    if len(predicted_ml) != len(true_ml) or not predicted_ml:
        raise ValueError(
            "predicted and true volumes must be given for the same subjects, at least one, got "
            f"{len(predicted_ml)} and {len(true_ml)}."
        )
    wrong = [volume for volume in (*predicted_ml, *true_ml) if not 0 <= volume < math.inf]
    if wrong:
        raise ValueError(f"volumes must be finite and not negative, got {wrong[0]} ml. Leave out unknown subjects.")
    differences = [predicted - true for predicted, true in zip(predicted_ml, true_ml, strict=True)]
    bias = statistics.fmean(differences)
    reach = LIMITS_SD * standard_deviation(differences)
    varies = len(set(predicted_ml)) > 1 and len(set(true_ml)) > 1
    return VolumeAgreement(
        subjects=len(differences),
        absolute_difference_ml=statistics.fmean(abs(difference) for difference in differences),
        bias_ml=bias,
        lower_limit_ml=bias - reach,
        upper_limit_ml=bias + reach,
        correlation=statistics.correlation(predicted_ml, true_ml) if varies else math.nan,
    )
