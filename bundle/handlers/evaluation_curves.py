"""Curves and histograms of an evaluation, thin enough for a file, from which a report draws its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import ignite.distributed as idist
import numpy as np
import torch
from numpy.typing import NDArray

from bundle.conventions import HEALTHY
from bundle.handlers.items import BrainVoxels
from bundle.metrics import RankingCurve, SortedVoxels, mean, standard_deviation
from bundle.metrics.sorted_voxels import count_below

POINTS = 200
"""Most points of a curve that is kept."""

_THRESHOLDS = 60
_BINS = 80  # even, so that zero is an edge: the sign of an attribution is what the constraint is about
_INSIDE = 0.999  # share of the first subject's voxels within half of the histogram's range


def ranking_points(brain: RankingCurve, whole: RankingCurve) -> dict[str, dict[str, list[float]]]:
    """Return points of the ROC and precision-recall curves; the areas belong to the curves, not to these points.

    Args:
        brain: curve of the brain voxels.
        whole: the same with the voxels outside the brain, ranked last.

    Returns:
        ``roc`` and ``pr`` of the whole image and ``roc_brain``, each with at most 200 points; empty where there is no
        lesion or no healthy voxel.
    """
    if not (brain.positives and brain.negatives):
        return {}
    found = whole.true_positives.double()
    recall, precision = found / whole.positives, found / (found + whole.false_positives)
    return {
        "pr": _thinned(recall=recall, precision=precision),
        "roc": _thinned(**dict(zip(("fpr", "tpr"), whole.roc_points(), strict=True))),
        "roc_brain": _thinned(**dict(zip(("fpr", "tpr"), brain.roc_points(), strict=True))),
    }


def dice_over_threshold(
    parts: Sequence[SortedVoxels], outside_lesion: Sequence[int], thresholds: torch.Tensor, used: float
) -> dict[str, list[float]]:
    """Return mean and standard deviation over subjects of the Dice at some thresholds, the one in use among them.

    Args:
        parts: brain voxels of each subject.
        outside_lesion: lesion voxels of each subject that no threshold reaches.
        thresholds: thresholds to choose from, such as those of a ranking curve: about 60 are taken.
        used: threshold in use.
    """
    values = thresholds.cpu().numpy()
    chosen = np.unique(np.append(values[_spread(len(values), _THRESHOLDS)], np.asarray(used, dtype=values.dtype)))
    rising = torch.from_numpy(chosen)
    curves = np.array(
        [_dice_curve(part, missed, rising) for part, missed in zip(parts, outside_lesion, strict=True)], dtype=float
    )
    return {
        "threshold": chosen.tolist(),
        "mean": [mean(column.tolist()) for column in curves.T],
        "sd": [standard_deviation(column.tolist()) for column in curves.T],
    }


class AttributionHistogram:
    """Counts of one score in healthy subjects, and in annotated patients inside and outside their lesions.

    Subjects come one at a time, so the range is set by the first: twice what holds 99.9 % of its brain voxels, either
    side of zero. Voxels beyond it are counted in the end bins. Of several processes that share the subjects by turns,
    it is the first subject of the first process, as it is for a process alone.
    """

    def __init__(self) -> None:
        self._edges: NDArray[np.float64] | None = None
        self._counts = {group: np.zeros(_BINS, dtype=np.int64) for group in ("healthy", "patient_outside", "lesion")}

    def add(self, voxels: BrainVoxels, score: str, *, label: int, annotated: bool) -> None:
        """Count the brain voxels of a subject; those of a patient whose lesion is not known are left out."""
        values, lesion = voxels.scores[score].double().numpy(), voxels.lesion.numpy()
        finite = bool(np.isfinite(values).all())
        if self._edges is None:
            limit = _common_limit(2 * float(np.quantile(np.abs(values), _INSIDE)) or 1.0 if finite else math.nan)
            self._edges = None if limit is None else np.linspace(-limit, limit, _BINS + 1)
        if not finite:
            return  # ranking reports it
        if label == HEALTHY:
            self._count("healthy", values)
        elif annotated:
            self._count("patient_outside", values[~lesion])
            self._count("lesion", values[lesion])

    def as_dict(self) -> dict[str, list[float]]:
        """Return the bins' ``edges`` and the counts of each group in all processes; empty before the first subject."""
        if self._edges is None:
            return {}
        counts = cast(torch.Tensor, idist.all_reduce(torch.from_numpy(np.stack(list(self._counts.values())))))
        return {"edges": self._edges.tolist(), **dict(zip(self._counts, counts.tolist(), strict=True))}

    def _count(self, group: str, values: NDArray[np.float64]) -> None:
        assert self._edges is not None  # set by the first subject
        self._counts[group] += np.histogram(np.clip(values, self._edges[0], self._edges[-1]), self._edges)[0]


def _common_limit(own: float) -> float | None:
    """Return the first limit that is a number, among those of each process's first subject; None to wait for the next.

    Processes meet here once, whatever comes: another meeting would need another subject in each of them.
    """
    limits = cast(list[float], idist.all_gather(own))
    return next((limit for limit in limits if math.isfinite(limit)), None if len(limits) == 1 else 1.0)


def _dice_curve(part: SortedVoxels, missed: int, rising: torch.Tensor) -> NDArray[Any]:
    hit, wrong = (len(side) - count_below(side, rising, equal=False).numpy() for side in (part.lesion, part.healthy))
    total = hit + wrong + len(part.lesion) + missed
    return np.divide(2.0 * hit, total, out=np.full(len(rising), np.nan), where=total > 0)


def _thinned(**columns: torch.Tensor) -> dict[str, list[float]]:
    return {name: values[_spread(len(values), POINTS)].tolist() for name, values in columns.items()}


def _spread(length: int, most: int) -> NDArray[np.int64]:
    """Return at most ``most`` rising positions in a list, its ends among them."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(np.int64))
