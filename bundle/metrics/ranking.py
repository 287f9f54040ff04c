"""How well voxel scores rank lesion above healthy tissue: average precision and areas under the ROC curve.

All values are exact (no binning) and agree with scikit-learn, ties included; where scikit-learn would raise or warn
because a class is absent, they are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from bundle.anomaly import OUTSIDE_BRAIN, ranked_counts

FPR_MAX = 0.1
"""Upper false-positive rate of AUROC10."""


@dataclass(frozen=True)
class RankingCurve:
    """Lesion and healthy voxels at or above every distinct score: all that a ranking metric needs.

    Attributes:
        thresholds: distinct scores, falling.
        true_positives: lesion voxels at or above each threshold, int64.
        false_positives: healthy voxels at or above each threshold, int64.
    """

    thresholds: torch.Tensor
    true_positives: torch.Tensor
    false_positives: torch.Tensor

    @classmethod
    def from_scores(cls, scores: torch.Tensor, mask: torch.Tensor) -> RankingCurve:
        """Count voxels, see :py:func:`bundle.anomaly.ranked_counts`."""
        return cls(*ranked_counts(scores, mask))

    def with_lowest(self, positives: int, negatives: int, score: float = OUTSIDE_BRAIN) -> RankingCurve:
        """Add voxels that tie below all others, such as those outside the brain, without sorting them.

        Args:
            positives: lesion voxels to add.
            negatives: healthy voxels to add.
            score: their common score.

        Raises:
            ValueError: When ``score`` is not below every score of the curve.
        """
        if positives + negatives == 0:
            return self
        if not score < float(self.thresholds[-1]):
            raise ValueError(f"score must be below every score of the curve, {self.thresholds[-1]:g}, got {score:g}.")
        return RankingCurve(
            torch.cat([self.thresholds, self.thresholds.new_tensor([score])]),
            torch.cat([self.true_positives, self.true_positives[-1:] + positives]),
            torch.cat([self.false_positives, self.false_positives[-1:] + negatives]),
        )

    @property
    def positives(self) -> int:
        """Lesion voxels in all."""
        return int(self.true_positives[-1])

    @property
    def negatives(self) -> int:
        """Healthy voxels in all."""
        return int(self.false_positives[-1])

    def average_precision(self) -> float:
        """Return the area under the precision-recall curve as a step function; NaN without lesion voxels."""
        if self.positives == 0:
            return math.nan
        found = self.true_positives.double()
        precision = found / (found + self.false_positives)
        gained = torch.diff(found, prepend=found.new_zeros(1))
        return float((gained * precision).sum() / self.positives)

    def roc_area(self, fpr_max: float = 1.0) -> float:
        """Return the area under the ROC curve up to ``fpr_max``, divided by ``fpr_max``.

        The true-positive rate at ``fpr_max`` is interpolated linearly. A useless score reaches ``fpr_max / 2``; there
        is no McClish correction. NaN when a class is absent.

        Raises:
            ValueError: When ``fpr_max`` is not in (0, 1].
        """
        if not 0 < fpr_max <= 1:
            raise ValueError(f"fpr_max must lie in (0, 1], got {fpr_max}.")
        if self.positives == 0 or self.negatives == 0:
            return math.nan
        zero = torch.zeros(1, dtype=torch.float64, device=self.true_positives.device)
        tpr = torch.cat([zero, self.true_positives.double() / self.positives])
        fpr = torch.cat([zero, self.false_positives.double() / self.negatives])
        inside = int(torch.searchsorted(fpr, torch.full_like(zero, fpr_max), right=True))
        area = float(torch.trapezoid(tpr[:inside], fpr[:inside]))
        if inside < len(fpr):
            left, right = fpr[inside - 1], fpr[inside]
            slope = (tpr[inside] - tpr[inside - 1]) / (right - left)
            width = fpr_max - left
            area += float(width * (tpr[inside - 1] + slope * width / 2))
        return area / fpr_max

    def best_dice(self) -> float:
        """Return the highest Dice coefficient that any one threshold reaches; NaN without lesion voxels."""
        if self.positives == 0:
            return math.nan
        called = self.true_positives + self.false_positives
        return float((2 * self.true_positives.double() / (called + self.positives)).max())


def auprc(scores: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the average precision, as ``sklearn.metrics.average_precision_score`` defines it.

    Args:
        scores: voxel scores, higher = more anomalous, of any shape; pool subjects by concatenation.
        mask: lesion mask of the same number of voxels.
    """
    return RankingCurve.from_scores(scores, mask).average_precision()


def auroc(scores: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the area under the ROC curve. Arguments as for :py:func:`auprc`."""
    return RankingCurve.from_scores(scores, mask).roc_area()


def auroc10(scores: torch.Tensor, mask: torch.Tensor, *, fpr_max: float = FPR_MAX) -> float:
    """Return the area under the ROC curve up to a false-positive rate of 0.1, divided by 0.1.

    Other arguments as for :py:func:`auprc`.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023. ``sklearn.metrics.roc_auc_score(max_fpr=0.1)`` applies
        McClish's correction and is another number.
    """
    return RankingCurve.from_scores(scores, mask).roc_area(fpr_max)
