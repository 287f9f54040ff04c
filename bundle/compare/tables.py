"""Tidy tables of a comparison, one value a row, from the evaluations that are complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.compare.cells import Cell
from bundle.conventions import CONDITION, PATIENT, SUBJECT
from bundle.data.files import csv_text, write_text_atomically

Row = dict[str, Any]

CELL_COLUMNS = ("cohort", "method", "estimator", "seed")
RESULT_COLUMNS = (*CELL_COLUMNS, "condition", "score", "metric", "value")
SUBJECT_COLUMNS = (*CELL_COLUMNS, "condition", "subject", "patient", "score", "metric", "value")

_SUBJECT_METRICS = ("dice", "best_dice", "auprc", "auroc", "auroc10", "volume_ml")
_DECISION_METRICS = ("logit", "probability", "negative_fraction")


def result_rows(cells: Iterable[Cell]) -> Iterator[Row]:
    """Yield the summaries of evaluations: every metric of every condition and score, and the classification rates."""
    for cell in cells:
        record = _record(cell)
        for summary in record["summary"]:
            for metric, value in summary.items():
                if metric not in ("condition", "score"):
                    row = {"condition": summary["condition"], "score": summary["score"], "metric": metric}
                    yield {**cell_row(cell), **row, "value": value}
        for metric in ("tpr", "tnr"):
            row = {"condition": "all", "score": "", "metric": metric, "value": record["classification"][metric]}
            yield {**cell_row(cell), **row}


def subject_rows(cells: Iterable[Cell]) -> Iterator[Row]:
    """Yield what evaluations measured in every subject; a subject without a patient of its own is its patient."""
    for cell in cells:
        record = _record(cell)
        for subject in record["subjects"]:
            who = {key: subject[key] for key in (CONDITION, SUBJECT)}
            who[PATIENT] = subject.get(PATIENT, subject[SUBJECT])
            measured = [("", metric, metric) for metric in _DECISION_METRICS]
            measured += [
                (score, metric, f"{score}_{metric}") for score in record["thresholds"] for metric in _SUBJECT_METRICS
            ]
            for score, metric, key in measured:
                if key in subject:
                    yield {**cell_row(cell), **who, "score": score, "metric": metric, "value": subject[key]}


def cell_row(cell: Cell) -> Row:
    """Return the columns that say which training a row belongs to."""
    return {name: getattr(cell, name) for name in CELL_COLUMNS}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV in one step; unknown values are ``nan``."""
    write_text_atomically(path, csv_text(rows, columns, unknown="nan"))


def _record(cell: Cell) -> Any:
    return json.loads((cell.folder / "evaluation.json").read_text(encoding="utf-8"))
