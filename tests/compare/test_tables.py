from __future__ import annotations

import csv
import json
import math

import pytest

from bundle.compare import Cell
from bundle.compare.tables import RESULT_COLUMNS, SUBJECT_COLUMNS, result_rows, subject_rows, write_table

RECORD = {
    "classification": {"tpr": 0.5, "tnr": None},
    "thresholds": {"attribution": 0.1, "intensity": 2.0},
    "summary": [
        {"condition": "ms", "score": "attribution", "subjects": 1, "auprc": 0.3, "dice_sd": None},
        {"condition": "healthy", "score": "attribution", "negative_fraction": 0.9},
    ],
    "subjects": [
        {"subject": "a_1", "patient": "a", "condition": "ms", "logit": 2.0, "attribution_dice": 0.25, "lesion_ml": 1.0},
        {"subject": "b", "condition": "healthy", "logit": -1.0, "intensity_volume_ml": 3.0},
    ],
}


@pytest.fixture
def cell(tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps(RECORD))
    return Cell("evaluate", "c", "unsup", "g", 4, tmp_path, ())


def read(path):
    with path.open() as file:
        return [list(row.values()) for row in csv.DictReader(file)]


def test_results_are_tidy(cell, tmp_path):
    write_table(tmp_path / "results.csv", RESULT_COLUMNS, result_rows([cell]))
    start = ["c", "unsup", "g", "4"]
    rows = read(tmp_path / "results.csv")
    assert rows == [
        [*start, "ms", "attribution", "subjects", "1"],
        [*start, "ms", "attribution", "auprc", "0.3"],
        [*start, "ms", "attribution", "dice_sd", "nan"],
        [*start, "healthy", "attribution", "negative_fraction", "0.9"],
        [*start, "all", "", "tpr", "0.5"],
        [*start, "all", "", "tnr", "nan"],
    ]
    assert math.isnan(float(rows[2][-1]))


def test_subjects_are_tidy(cell, tmp_path):
    write_table(tmp_path / "subjects.csv", SUBJECT_COLUMNS, subject_rows([cell]))
    start = ["c", "unsup", "g", "4"]
    assert read(tmp_path / "subjects.csv") == [
        [*start, "ms", "a_1", "a", "", "logit", "2.0"],
        [*start, "ms", "a_1", "a", "attribution", "dice", "0.25"],
        [*start, "healthy", "b", "b", "", "logit", "-1.0"],
        [*start, "healthy", "b", "b", "intensity", "volume_ml", "3.0"],
    ]
