"""Thresholds from healthy subjects alone, with a bound on the false positives of the next healthy subject.

Every healthy subject has a smallest threshold at which at most v ml of its brain are called anomalous. A quantile of
these is a threshold at which the next healthy subject has more than v ml called with a probability of at most q. This
is split conformal prediction; it holds for any network and any distribution of scores, at any number of subjects.

It assumes that the healthy subjects and the next one are exchangeable: the order in which they came says nothing, as
when all are drawn alike, from one scanner and one population. It is a statement about the draw of the calibration
subjects together with the next one, not about one set of calibration subjects. Subjects that the weights were trained
on are not exchangeable with new ones; subjects that chose the epoch are so only nearly.

The unit is the person. Slices of one person are alike, so their number says nothing about how sure a bound can be:
volumes are summed over the images of a person, and a person counts once. The next person must then be imaged the same
way, with as many slices.

Source:
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, Springer, 2005. Lei et al., Distribution-free
    predictive inference for regression, JASA 113(523), 2018, section 2.2 (split conformal prediction). Bounding the
    indicator of too large a volume is conformal risk control, Angelopoulos et al., ICLR 2024, with a loss of 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from monai.utils import convert_to_tensor


def check_false_positive_bound(false_positive_ml: float, risk: float) -> None:
    """Check the two numbers of a bound.

    Args:
        false_positive_ml: volume v that may be called in a healthy subject.
        risk: probability q with which a subject may exceed it.

    Raises:
        ValueError: When ``false_positive_ml`` is negative or not finite, or ``risk`` is not in (0, 1).
    """
    if not (math.isfinite(false_positive_ml) and false_positive_ml >= 0):
        raise ValueError(f"false_positive_ml must be finite and at least 0, got {false_positive_ml}. Give millilitres.")
    if not 0 < risk < 1:
        raise ValueError(f"false_positive_risk must lie in (0, 1), got {risk}. Give a probability such as 0.1.")


def conformal_rank(subjects: int, risk: float) -> int:
    """Return the rank, counted from 1 at the smallest, of the threshold that has the guarantee: ceil((1 - q)(n + 1)).

    ``risk`` is taken as the decimal number that it prints as, so that 0.1 of 29 + 1 subjects are three.

    Args:
        subjects: number n of healthy subjects.
        risk: probability q.

    Raises:
        ValueError: When the rank exceeds ``subjects``: no finite threshold has the guarantee.
    """
    rank = subjects + 1 - math.floor(Fraction(str(float(risk))) * (subjects + 1))
    if rank > subjects:
        needed = math.ceil(1 / Fraction(str(float(risk)))) - 1
        raise ValueError(
            f"a false_positive_risk of {risk:g} needs at least {needed} healthy subjects, got {subjects}; the smallest "
            f"risk that {subjects} can give is 1/{subjects + 1} ({1 / (subjects + 1):.3g}). Add healthy subjects or "
            "raise false_positive_risk."
        )
    return rank


def conformal_threshold(smallest_thresholds: Sequence[float], risk: float) -> float:
    """Return the threshold that a new healthy subject's smallest threshold exceeds with a probability of at most q.

    Args:
        smallest_thresholds: one value per healthy subject, see :py:func:`smallest_threshold`.
        risk: probability q.

    Raises:
        ValueError: When there are too few subjects, or the threshold would call whole brains.
    """
    rank = conformal_rank(len(smallest_thresholds), risk)
    threshold = sorted(smallest_thresholds)[rank - 1]
    if not math.isfinite(threshold):
        count = sum(value == -math.inf for value in smallest_thresholds)
        raise ValueError(
            f"false_positive_ml must be less than the brain in an image, but {count} of {len(smallest_thresholds)} "
            "healthy subjects have no more brain than that. Lower false_positive_ml."
        )
    return threshold


@dataclass(frozen=True)
class HighestScores:
    """The highest voxel scores of one image: more of them than may be called, so that the rest can be forgotten.

    Attributes:
        scores: scores, falling, ``(N,)``.
        voxel_ml: volume of a voxel.
    """

    scores: torch.Tensor
    voxel_ml: float

    @classmethod
    def from_scores(cls, scores: torch.Tensor, voxel_ml: float, false_positive_ml: float) -> HighestScores:
        """Keep the scores that decide whether more than ``false_positive_ml`` are called.

        Args:
            scores: scores of the brain voxels of a healthy image, of any shape and a floating-point type.
            voxel_ml: volume of a voxel.
            false_positive_ml: volume v that may be called.

        Raises:
            ValueError: When a score is not finite or a voxel has no volume.
        """
        flat = convert_to_tensor(scores, track_meta=False).detach().reshape(-1)
        if not bool(torch.isfinite(flat).all()):
            count = int((~torch.isfinite(flat)).sum())
            raise ValueError(f"scores must be finite, got {count} NaN or infinite values. Check the image and weights.")
        if not voxel_ml > 0:
            raise ValueError(f"voxel_ml must be positive, got {voxel_ml}. Correct the image's header.")
        kept = int(min(len(flat), false_positive_ml / voxel_ml + 2))  # one too many, and one for rounding
        return cls(torch.topk(flat, kept).values, voxel_ml)


def smallest_threshold(images: Sequence[HighestScores], false_positive_ml: float) -> float:
    """Return the smallest threshold at which at most ``false_positive_ml`` of a healthy subject are called anomalous.

    A voxel is called when its score is at least the threshold. The threshold is therefore the next number, in the
    scores' type, above the score with which the volume becomes too large; tied voxels are called together.

    Args:
        images: the images of one person, all scores of one type.
        false_positive_ml: volume v that may be called in all of them together.

    Returns:
        The threshold, minus infinity when the subject has no more brain than ``false_positive_ml``.
    """
    scores, order = torch.sort(torch.cat([image.scores for image in images]), descending=True)
    sizes = torch.tensor([image.voxel_ml for image in images], dtype=torch.float64)
    size = sizes.repeat_interleave(torch.tensor([len(image.scores) for image in images]))[order.cpu()]
    # Counts of voxels of one size times that size: adding up single voxels would add up rounding errors.
    called_ml = sum(((size == one).cumsum(0) * one for one in sizes.unique()), torch.zeros_like(size))
    too_many = torch.nonzero(called_ml > false_positive_ml).flatten()
    if len(too_many) == 0:
        return -math.inf
    score = scores[too_many[0]]
    return float(torch.nextafter(score, torch.full_like(score, math.inf)))


class HealthySubjects:
    """Collect the healthy images of a run, person by person, and find the thresholds that bound false positives.

    Args:
        false_positive_ml: volume v that may be called in a healthy subject.
        risk: probability q with which a new healthy subject may exceed it.

    Raises:
        ValueError: When either is out of its range.
    """

    def __init__(self, false_positive_ml: float, risk: float) -> None:
        check_false_positive_bound(false_positive_ml, risk)
        self.false_positive_ml = false_positive_ml
        self.risk = risk
        self._images: dict[str, dict[str, list[HighestScores]]] = {}

    def __len__(self) -> int:
        """Return the number of persons."""
        return len(self._images)

    def add(self, person: str, scores: Mapping[str, torch.Tensor], voxel_ml: float) -> None:
        """Add an image.

        Args:
            person: who it shows; images of one person are joined.
            scores: score name -> scores of the brain voxels.
            voxel_ml: volume of a voxel.
        """
        images = self._images.setdefault(person, {})
        for name, values in scores.items():
            highest = HighestScores.from_scores(values, voxel_ml, self.false_positive_ml)
            images.setdefault(name, []).append(highest)

    def smallest_thresholds(self, name: str) -> list[float]:
        """Return the smallest threshold of every person by one score, in the order in which the persons came."""
        return [smallest_threshold(images[name], self.false_positive_ml) for images in self._images.values()]

    def record(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the thresholds of some scores and what they promise, as the threshold file keeps them.

        Raises:
            ValueError: When there are too few subjects, or a threshold would call whole brains.
        """
        return {
            "false_positive_ml": float(self.false_positive_ml),
            "false_positive_risk": float(self.risk),
            "subjects": len(self),
            "rank": conformal_rank(len(self), self.risk),
            "thresholds": {name: conformal_threshold(self.smallest_thresholds(name), self.risk) for name in names},
        }
