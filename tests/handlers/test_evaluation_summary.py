from __future__ import annotations

import math

import pytest
from sklearn.metrics import average_precision_score

from bundle.handlers import BrainVoxels
from bundle.handlers.evaluation_subjects import EvaluatedSubject
from bundle.handlers.evaluation_summary import (
    annotated_by_condition,
    condition_rows,
    healthy_rows,
    lesion_rows,
    volume_rows,
)

SCORES = ("intensity", "attribution")
THRESHOLDS = {"attribution": 0.5, "intensity": 2.0}


@pytest.fixture
def subjects(items):
    """Two MS patients, one with tumour and a mask, and a healthy subject."""
    items[2]["mask"] = items[0]["mask"]
    return [EvaluatedSubject.from_item(item, BrainVoxels.from_item(item, SCORES), SCORES, 0.0) for item in items]


def test_patients_are_grouped_by_condition(subjects):
    annotated = annotated_by_condition(subjects[::-1])
    assert {name: [one.row["subject"] for one in group] for name, group in annotated.items()} == {
        "ms": ["b", "a"],
        "tumour": ["c"],
    }
    assert annotated_by_condition(subjects[3:]) == {}


def test_every_condition_and_score_has_its_row(subjects):
    rows, curves = condition_rows(annotated_by_condition(subjects), SCORES, THRESHOLDS)
    names = [("ms", "intensity"), ("ms", "attribution"), ("tumour", "intensity"), ("tumour", "attribution")]
    assert [(row["condition"], row["score"]) for row in rows] == names
    assert [(row["condition"], row["score"]) for row in curves] == names
    voxels = subjects[2].voxels
    expected = average_precision_score(voxels.lesion, voxels.scores["attribution"])
    assert rows[3]["auprc_brain"] == pytest.approx(expected)
    assert rows[3]["dice"] == subjects[2].row["attribution_dice"] and rows[3]["threshold"] == 0.5


def test_rows_of_lesions_and_volumes(subjects):
    annotated = annotated_by_condition(subjects)
    lesions = [row for row in lesion_rows(annotated, SCORES) if (row["lower_ml"], row["upper_ml"]) == (0, math.inf)]
    assert [(row["condition"], row["score"], row["detected"]) for row in lesions] == [
        ("ms", "attribution", 2),
        ("ms", "intensity", 2),
        ("tumour", "attribution", 1),
        ("tumour", "intensity", 1),
    ]
    volumes = {(row["condition"], row["score"]): row for row in volume_rows(annotated, SCORES)}
    assert volumes["tumour", "attribution"]["bias_ml"] == pytest.approx(0.0)  # 1.5 ml are called, 1.5 ml are true
    assert volumes["ms", "attribution"]["bias_ml"] == pytest.approx((0.0 - 0.5) / 2)


def test_healthy_subjects(subjects):
    intensity, attribution = healthy_rows(subjects, SCORES, THRESHOLDS)
    assert attribution == {
        "condition": "healthy",
        "score": "attribution",
        "subjects": 1,
        "threshold": 0.5,
        "false_positive_ml": pytest.approx(0.5),
    }
    assert intensity["negative_fraction"] == pytest.approx(3 / 7)  # of the first score alone
    assert healthy_rows(subjects[:3], SCORES, THRESHOLDS) == []
