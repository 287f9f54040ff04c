"""Tables of a comparison from the maps that its evaluations kept: agreement, Dice over threshold, histograms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.compare.cells import Cell
from bundle.compare.plan import UNCONSTRAINED, Map, Plan
from bundle.compare.tables import CELL_COLUMNS, Row, cell_row
from bundle.conventions import HEALTHY, PATHOLOGICAL
from bundle.handlers import SubjectMaps, load_maps
from bundle.metrics import mean, pearson, standard_deviation

AGREEMENT_COLUMNS = ("cohort", "method", "seed", "map_1", "map_2", "condition", "subject", "pearson")
DICE_COLUMNS = (*CELL_COLUMNS, "condition", "score", "threshold", "dice_mean", "dice_sd")
HISTOGRAM_COLUMNS = (*CELL_COLUMNS, "group", "score", "bin_left", "bin_right", "count")

THRESHOLDS = 60
_LEAST_SHARE = 1.0e-4  # of the brain voxels, called anomalous at the highest threshold
_BINS = 100  # even, so that zero is an edge: the sign of an attribution is what the constraint is about
_INSIDE = 0.999  # share of the voxels within the histogram's range; the others are counted in its end bins


def agreement_rows(plan: Plan, evaluations: Iterable[Cell]) -> Iterator[Row]:
    """Yield Pearson's coefficient of pairs of maps of different trainings, for every pathological test subject.

    It is taken over the brain voxels of the subject's image, on the grid that was evaluated, which is the model's own
    for slices and for volumes that lie on it. A pair is left out where an evaluation is missing.
    """
    found = {(cell.cohort, cell.method, cell.estimator, cell.seed): cell for cell in evaluations}
    for cohort in plan.cohorts:
        for method in plan.methods:
            if method.overlay == UNCONSTRAINED:
                continue
            for seed in plan.seeds:
                for pair in plan.agreement:
                    names = [f"{UNCONSTRAINED}{method.variant}" if not m.estimator else method.name for m in pair]
                    keys = [(cohort.name, name, m.estimator, seed) for name, m in zip(names, pair, strict=True)]
                    if all(key in found for key in keys):
                        row = {"cohort": cohort.name, "method": method.name, "seed": seed}
                        for result in _agreement(found[keys[0]], found[keys[1]], pair):
                            yield {**row, **result}


def dice_rows(scores: Sequence[str], evaluations: Iterable[Cell]) -> Iterator[Row]:
    """Yield mean and standard deviation over annotated subjects of the Dice at a grid of thresholds.

    The k-th of the 60 thresholds of any score calls the same share of all test brain voxels anomalous, from all of
    them to one in 10,000 in equal ratios, so curves of scores of any unit share the index of the threshold.
    """
    for cell in evaluations:
        for score in scores:
            subjects = _subjects(cell, score)
            thresholds = _thresholds(np.concatenate([s.scores[score] for s in subjects]))
            annotated = [s for s in subjects if s.annotated]
            for condition in sorted({s.condition for s in annotated}):
                curves = np.array([dice_curve(s, score, thresholds) for s in annotated if s.condition == condition])
                for threshold, values in zip(thresholds, curves.T, strict=True):
                    row = {"condition": condition, "score": score, "threshold": float(threshold)}
                    dice = {"dice_mean": mean(values.tolist()), "dice_sd": standard_deviation(values.tolist())}
                    yield {**cell_row(cell), **row, **dice}


def histogram_rows(scores: Sequence[str], evaluations: Iterable[Cell]) -> Iterator[Row]:
    """Yield histograms of the brain voxels of healthy subjects, of lesions, and of patients outside their lesions.

    The bins of a score are the same for the three groups, symmetric about zero, and hold 99.9 % of the voxels; the end
    bins also count what lies beyond them.
    """
    for cell in evaluations:
        for score in scores:
            subjects = _subjects(cell, score)
            patients = [s for s in subjects if s.label == PATHOLOGICAL and s.annotated]
            groups = {
                "healthy": [s.scores[score] for s in subjects if s.label == HEALTHY],
                "patient_outside": [s.scores[score][~s.lesion] for s in patients],
                "lesion": [s.scores[score][s.lesion] for s in patients],
            }
            limit = float(np.quantile(np.abs(np.concatenate([s.scores[score] for s in subjects])), _INSIDE)) or 1.0
            edges = np.linspace(-limit, limit, _BINS + 1)
            for group, parts in groups.items():
                counts = sum((_counts(part, edges) for part in parts), np.zeros(_BINS, dtype=np.int64))
                for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
                    row = {"group": group, "score": score, "bin_left": float(left), "bin_right": float(right)}
                    yield {**cell_row(cell), **row, "count": int(count)}


def dice_curve(subject: SubjectMaps, score: str, thresholds: NDArray[Any]) -> NDArray[np.float64]:
    """Return a subject's Dice at every threshold; a voxel is called anomalous when its score is at least that.

    Args:
        subject: annotated subject with a lesion.
        score: name of the score.
        thresholds: thresholds, in any order.

    Shape:
        - thresholds, output: ``(T,)``.
    """
    values, lesion = subject.scores[score], subject.lesion
    called = _at_or_above(values, thresholds)
    hit = _at_or_above(values[lesion], thresholds)
    return 2 * hit / (called + int(lesion.sum()) + subject.outside_lesion)


def _agreement(first: Cell, second: Cell, pair: tuple[Map, Map]) -> Iterator[Row]:
    for file in _files(first):
        maps = load_maps(file, [pair[0].score])
        if maps.label != PATHOLOGICAL:
            continue
        others = load_maps(_folder(second) / file.name, [pair[1].score])
        if not np.array_equal(maps.brain, others.brain):
            raise ValueError(
                f"{maps.subject}: two maps must be of one brain, those of {first.name} and {second.name} differ"
            )
        yield {
            "map_1": pair[0].name,
            "map_2": pair[1].name,
            "condition": maps.condition,
            "subject": maps.subject,
            "pearson": pearson(maps.scores[pair[0].score], others.scores[pair[1].score]),
        }


def _thresholds(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rising thresholds that leave falling shares of the values at or above them."""
    shares = np.geomspace(1.0, _LEAST_SHARE, THRESHOLDS)
    return np.quantile(values, 1.0 - shares, method="higher")


def _at_or_above(values: NDArray[np.float32], thresholds: NDArray[Any]) -> NDArray[np.int64]:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def _counts(values: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def _folder(cell: Cell) -> Path:
    return cell.folder / "maps"


def _files(cell: Cell) -> list[Path]:
    files = sorted(_folder(cell).glob("*.npz"))
    if not files:
        raise FileNotFoundError(f"{_folder(cell)}: no maps of {cell.name}; delete {cell.folder} to evaluate it again")
    return files


def _subjects(cell: Cell, score: str) -> list[SubjectMaps]:
    return [load_maps(file, [score]) for file in _files(cell)]
