"""How well voxel scores rank lesion above healthy tissue: average precision and areas under the ROC curve.

All values are exact (no binning) and agree with scikit-learn, ties included; where scikit-learn would raise or warn
because a class is absent, they are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bundle.anomaly import OUTSIDE_BRAIN
from bundle.metrics.sorted_voxels import SortedVoxels, count_below, sort_scores

FPR_MAX = 0.1
"""Upper false-positive rate of AUROC10."""


@dataclass(frozen=True)
class RankingCurve:
    """Voxels at or above every distinct score of a lesion voxel: all that a ranking metric needs.

    Between two such scores only healthy voxels are passed: precision and Dice fall and the ROC curve runs level, so
    neither an area nor an optimum needs the points in between. That makes the curve as long as there are lesion
    voxels, not voxels, and no healthy voxel has to be ordered against those of another image.

    Attributes:
        thresholds: distinct scores of lesion voxels, falling.
        true_positives: lesion voxels at or above each threshold, int64.
        false_positives: healthy voxels at or above each threshold, int64.
        false_positives_above: healthy voxels above each threshold; fewer than ``false_positives`` where voxels tie.
        negatives: healthy voxels in all.
        lowest: lowest score of any voxel, infinite without voxels.
    """

    thresholds: torch.Tensor
    true_positives: torch.Tensor
    false_positives: torch.Tensor
    false_positives_above: torch.Tensor
    negatives: int
    lowest: float

    @classmethod
    def from_scores(cls, scores: torch.Tensor, mask: torch.Tensor) -> RankingCurve:
        """Count voxels. Arguments and errors as for :py:meth:`bundle.metrics.SortedVoxels.from_scores`."""
        return cls.pooled([SortedVoxels.from_scores(scores, mask)])

    @classmethod
    def pooled(cls, parts: Sequence[SortedVoxels]) -> RankingCurve:
        """Count the voxels of several images as if they were one, without joining them.

        Args:
            parts: at least one image; all scores of one type and on one device.
        """
        return cls.of_lesions(torch.cat([part.lesion for part in parts]), parts)

    @classmethod
    def of_lesions(cls, lesion: torch.Tensor, parts: Sequence[SortedVoxels]) -> RankingCurve:
        """Count the healthy voxels of ``parts`` against the scores of lesion voxels that may lie elsewhere.

        The counts of healthy voxels add up over processes that were given the same lesion voxels.

        Args:
            lesion: scores of all lesion voxels, in any order.
            parts: images whose healthy voxels are counted.
        """
        rising, steps = torch.unique_consecutive(sort_scores(lesion), return_counts=True)
        at_or_above = torch.zeros_like(steps)
        above = torch.zeros_like(steps)
        for part in parts:
            at_or_above += len(part.healthy) - count_below(part.healthy, rising, equal=False)
            above += len(part.healthy) - count_below(part.healthy, rising, equal=True)
        return cls(
            rising.flip(0),
            steps.flip(0).cumsum(0),
            at_or_above.flip(0),
            above.flip(0),
            sum(len(part.healthy) for part in parts),
            min([part.lowest for part in parts], default=math.inf),
        )

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
        if not score < self.lowest:
            raise ValueError(f"score must be below every score of the curve, {self.lowest:g}, got {score:g}.")
        total = self.negatives + negatives
        added = min(positives, 1)  # a threshold belongs to a lesion voxel
        return RankingCurve(
            torch.cat([self.thresholds, self.thresholds.new_full((added,), score)]),
            torch.cat([self.true_positives, self.true_positives.new_full((added,), self.positives + positives)]),
            torch.cat([self.false_positives, self.false_positives.new_full((added,), total)]),
            torch.cat([self.false_positives_above, self.false_positives_above.new_full((added,), self.negatives)]),
            total,
            score,
        )

    @property
    def positives(self) -> int:
        """Lesion voxels in all."""
        return int(self.true_positives[-1]) if len(self.true_positives) else 0

    def average_precision(self) -> float:
        """Return the area under the precision-recall curve as a step function; NaN without lesion voxels."""
        if self.positives == 0:
            return math.nan
        found = self.true_positives.double()
        precision = found / (found + self.false_positives)
        gained = torch.diff(found, prepend=found.new_zeros(1))
        return float((gained * precision).sum() / self.positives)

    def roc_points(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return false- and true-positive rates of the corners of the ROC curve, from (0, 0) to (1, 1).

        Every threshold gives two corners: the end of the level stretch above it, and the end of its tied voxels.
        """
        found = self.true_positives.double() / self.positives
        before = torch.cat([found.new_zeros(1), found[:-1]])
        false = torch.stack([self.false_positives_above, self.false_positives], dim=1).double() / self.negatives
        zero, one = found.new_zeros(1), found.new_ones(1)
        return (
            torch.cat([zero, false.flatten(), one]),
            torch.cat([zero, torch.stack([before, found], dim=1).flatten(), one]),
        )

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
        fpr, tpr = self.roc_points()
        inside = int(torch.searchsorted(fpr, fpr.new_full((1,), fpr_max), right=True))
        area = float(torch.trapezoid(tpr[:inside], fpr[:inside]))
        if inside < len(fpr):
            left, right = fpr[inside - 1], fpr[inside]
            slope = (tpr[inside] - tpr[inside - 1]) / (right - left)
            width = fpr_max - left
            area += float(width * (tpr[inside - 1] + slope * width / 2))
        return area / fpr_max

    def operating_point(self, *, missed: int = 0) -> tuple[float, float]:
        """Return the threshold of highest Dice, and that Dice; both NaN without lesion voxels.

        A voxel is called anomalous when its score is at least the threshold. Of equal optima the highest threshold is
        taken.

        Args:
            missed: lesion voxels that no threshold can reach.
        """
        if self.positives == 0:
            return math.nan, math.nan
        called = self.true_positives + self.false_positives
        dice = 2 * self.true_positives.double() / (called + self.positives + missed)
        best = int(torch.argmax(dice))
        return float(self.thresholds[best]), float(dice[best])

    def best_dice(self) -> float:
        """Return the highest Dice coefficient that any one threshold reaches; NaN without lesion voxels."""
        return self.operating_point()[1]


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
