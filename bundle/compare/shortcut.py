"""The shortcut experiment: what a comparison's cells say about tests with the training's tie and with a broken one."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bundle.conventions import ATTRIBUTION, HEALTHY
from bundle.data.shortcut import tie_strength
from bundle.handlers import load_maps
from bundle.metrics import mean, standard_deviation
from bundle.metrics.attribution_mass import share_outside_lesion
from bundle.metrics.significance import average_seeds, compare_subjects

logger = logging.getLogger(__name__)

Row = dict[str, Any]

MEASURES = ("accuracy", "outside_lesion", "healthy_negative")
"""What is measured in each test: share of decisions that are right; share of the positive attribution of patients that
lies outside their lesions; share of the brain voxels of healthy subjects whose attribution is negative."""

_BROKEN = "_broken"


@dataclass(frozen=True)
class TestResult:
    """One evaluation, measure by measure: subject -> value, and the patient of every subject."""

    __test__ = False  # pytest takes it for a test

    values: dict[str, dict[str, float]]
    patients: dict[str, str]

    def mean(self, measure: str) -> float:
        """Return the mean over patients of a measure; that of a patient is the mean over its subjects."""
        return mean(by_patient(self.values[measure], self.patients).values())


@dataclass(frozen=True)
class ShortcutRun:
    """One training and its two tests."""

    tie: float
    method: str
    seed: str
    tied: TestResult
    broken: TestResult

    def row(self) -> Row:
        """Return its measures as a row of a table."""
        row: Row = {"tie": self.tie, "method": self.method, "seed": self.seed}
        for measure in MEASURES:
            row[f"{measure}_tied"], row[f"{measure}_broken"] = self.tied.mean(measure), self.broken.mean(measure)
        return {**row, "accuracy_lost": row["accuracy_tied"] - row["accuracy_broken"]}


def read_shortcut(results_dir: Path, work_dir: Path) -> list[ShortcutRun]:
    """Read the runs of a comparison by ``configs/compare/shortcut.yaml`` whose two tests are complete.

    A cohort named ``tie_05_broken`` is the test of ``tie_05`` without a tie; ``tie_0`` is its own, as it ties nothing.

    Args:
        results_dir: folder of the comparison's tables.
        work_dir: folder of its cells.

    Raises:
        FileNotFoundError: When there is no ``cells.csv``, or a cell lacks its files.
        ValueError: When a cohort is not named like a tie, no run is complete, or its tests are of different subjects.
    """
    path = results_dir / "cells.csv"
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}. Run scripts.compare with configs/compare/shortcut.yaml first.")
    with path.open(newline="", encoding="utf-8") as file:
        cells = [row for row in csv.DictReader(file) if row["kind"] == "evaluate"]
    folders = {(row["cohort"], row["method"], row["seed"]): row for row in cells}
    runs = []
    for (cohort, method, seed), cell in folders.items():
        if cohort.endswith(_BROKEN):
            continue
        tie = tie_strength(cohort)
        other = folders.get((cohort + _BROKEN, method, seed)) if tie > 0 else cell
        if other is None or {cell["complete"], other["complete"]} != {"1"}:
            logger.warning("%s, %s, seed %s is left out: it lacks a complete test", cohort, method, seed)
            continue
        tied = _test_result(work_dir / "cells" / cell["folder"])
        broken = tied if other is cell else _test_result(work_dir / "cells" / other["folder"])
        _check_subjects(tied, broken, tie)
        runs.append(ShortcutRun(tie, method, seed, tied, broken))
    if not runs:
        raise ValueError(f"{path}: no training has both of its tests, got {len(cells)} evaluations. Run them first.")
    return runs


def _check_subjects(tied: TestResult, broken: TestResult, tie: float) -> None:
    """Raise where two tests are not of the same subjects, so that their difference would not be the tie's alone."""
    first, second = tied.patients.keys(), broken.patients.keys()
    if first != second:
        raise ValueError(
            f"a training must be tested on the same subjects, got {len(second)} and {len(first)} at tie {tie:g}, such "
            f"as {min(first ^ second)} in one alone. Make the data with scripts.make_shortcut."
        )


def _test_result(folder: Path) -> TestResult:
    path = folder / "evaluation.json"
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}. Name the work_dir of the comparison.")
    subjects = json.loads(path.read_text(encoding="utf-8"))["subjects"]
    values: dict[str, dict[str, float]] = {measure: {} for measure in MEASURES}
    for row in subjects:
        subject = row["subject"]
        values["accuracy"][subject] = float(row["decision"] == row["label"])
        if row["label"] == HEALTHY:
            values["healthy_negative"][subject] = row["negative_fraction"]
        else:
            maps = load_maps(folder / "maps" / f"{subject}.npz", [ATTRIBUTION])
            values["outside_lesion"][subject] = share_outside_lesion(maps.scores[ATTRIBUTION], maps.lesion)
    return TestResult(values, {row["subject"]: row.get("patient", row["subject"]) for row in subjects})


def by_patient(values: Mapping[str, float], patients: Mapping[str, str]) -> dict[str, float]:
    """Return the mean over each patient's subjects."""
    return average_seeds((patients[subject], value) for subject, value in values.items())


def summarise_shortcut(runs: Sequence[ShortcutRun]) -> list[Row]:
    """Summarise runs over seeds, a row for each tie and method.

    A row holds mean and standard deviation over seeds of every measure in both tests; ``accuracy_lost``, the accuracy
    with the training's tie minus that with a broken one, with a bootstrap interval and a paired permutation test over
    patients whose values are means over seeds and slices; and, where ``no_cons`` was run, ``saved``: how much less is
    lost than by ``no_cons``, with a test as well.

    Args:
        runs: runs of any ties, methods and seeds.
    """
    groups: dict[tuple[float, str], list[ShortcutRun]] = {}
    for run in sorted(runs, key=lambda run: run.tie):
        groups.setdefault((run.tie, run.method), []).append(run)
    return [_summary(group, groups.get((tie, "no_cons"))) for (tie, _), group in groups.items()]


def _summary(group: Sequence[ShortcutRun], unconstrained: Sequence[ShortcutRun] | None) -> Row:
    rows = [run.row() for run in group]
    summary: Row = {"tie": group[0].tie, "method": group[0].method, "seeds": len(group)}
    for test in ("tied", "broken"):
        for measure in MEASURES:
            values = [row[f"{measure}_{test}"] for row in rows]
            summary[f"{measure}_{test}"] = mean(values)
            summary[f"{measure}_{test}_sd"] = standard_deviation(values)
    patients = group[0].tied.patients
    lost = _lost(group)
    summary |= _test("accuracy_lost", lost, dict.fromkeys(lost, 0.0), patients)
    if unconstrained is not None and unconstrained is not group:
        summary |= _test("saved", _lost(unconstrained), lost, patients)
    return summary


def _lost(group: Iterable[ShortcutRun]) -> dict[str, float]:
    """Return the accuracy that each subject lost, averaged over seeds."""
    return average_seeds(
        (subject, right - run.broken.values["accuracy"][subject])
        for run in group
        for subject, right in run.tied.values["accuracy"].items()
    )


def _test(
    name: str, first: Mapping[str, float], second: Mapping[str, float], patients: Mapping[str, str]
) -> dict[str, Any]:
    test = asdict(compare_subjects(first, second, patients=patients))
    columns = {"": "difference", "_low": "low", "_high": "high", "_p": "p_value"}
    return {"patients": test["units"], **{name + suffix: test[key] for suffix, key in columns.items()}}
