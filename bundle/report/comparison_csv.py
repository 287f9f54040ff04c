"""Read the files of a comparison: one tidy CSV a kind of value, a row for each value."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
"""A row of a CSV: text, or float in the columns of numbers; an unknown number is NaN."""

_ALL = ("cohort", "method", "estimator", "seed", "condition")

_FILES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "results.csv": ((*_ALL, "score", "metric"), ("value",)),
    "subjects.csv": ((*_ALL, "subject", "patient", "score", "metric"), ("value",)),
    "agreement.csv": (("cohort", "method", "seed", "map_1", "map_2", "condition", "subject"), ("pearson",)),
    "dice_over_threshold.csv": ((*_ALL, "score"), ("threshold", "dice_mean", "dice_sd")),
    "attribution_histograms.csv": (
        ("cohort", "method", "estimator", "seed", "group", "score"),
        ("bin_left", "bin_right", "count"),
    ),
}
"""File -> its columns of text and of numbers."""


@dataclass(frozen=True)
class Comparison:
    """All values of a comparison.

    Attributes:
        results: values over subjects: mean Dice, pooled areas, rates.
        subjects: values of single subjects.
        agreement: correlations of two maps of a subject; empty where the file is absent, like all that follow.
        dice_over_threshold: mean Dice at every threshold.
        histograms: counts of attributions.
    """

    results: list[Row]
    subjects: list[Row]
    agreement: list[Row]
    dice_over_threshold: list[Row]
    histograms: list[Row]


def read_comparison(results_dir: Path) -> Comparison:
    """Read the files of a folder.

    ``results.csv`` and ``subjects.csv`` must hold rows. The others may be absent, or hold a header alone, where
    nothing of their kind was measured.

    Raises:
        FileNotFoundError: When ``results.csv`` or ``subjects.csv`` is absent.
        ValueError: When a file is empty or lacks a column, or a number is none.
    """
    return Comparison(
        results=_read(results_dir / "results.csv", required=True),
        subjects=_read(results_dir / "subjects.csv", required=True),
        agreement=_read(results_dir / "agreement.csv"),
        dice_over_threshold=_read(results_dir / "dice_over_threshold.csv"),
        histograms=_read(results_dir / "attribution_histograms.csv"),
    )


def select(rows: Iterable[Row], **wanted: str) -> list[Row]:
    """Return the rows whose columns have the wanted values."""
    return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


def distinct(rows: Iterable[Row], column: str) -> list[str]:
    """Return the values of a column in the order of their first row."""
    return list(dict.fromkeys(row[column] for row in rows))


def _read(path: Path, *, required: bool = False) -> list[Row]:
    if not path.is_file():
        if required:
            raise FileNotFoundError(f"a comparison must have {path.name}, no such file: {path}. Check the folder.")
        return []
    texts, numbers = _FILES[path.name]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None:
            raise ValueError(f"{path} must hold a header and rows, got an empty file. Run the comparison again.")
        lacking = [column for column in (*texts, *numbers) if column not in reader.fieldnames]
        if lacking:
            raise ValueError(f"{path} must have the columns {', '.join(lacking)}, got {', '.join(reader.fieldnames)}.")
        rows: list[Row] = [
            {column: _text(entry[column]) for column in texts}
            | {column: _number(entry[column], path, reader.line_num, column) for column in numbers}
            for entry in reader
        ]
    if required and not rows:
        raise ValueError(f"{path} must hold rows, got a header alone. Run the comparison again.")
    return rows


def _text(value: str | None) -> str:
    return value or ""


def _number(value: str | None, path: Path, line: int, column: str) -> float:
    if not value:
        return math.nan
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{path}, line {line}: {column} must be a number or empty, got {value!r}.") from None
