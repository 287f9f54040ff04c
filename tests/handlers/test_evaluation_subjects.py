from __future__ import annotations

import math

import pytest
import torch

from bundle.handlers import BrainVoxels
from bundle.handlers.evaluation_subjects import EvaluatedSubject

SCORES = ("attribution", "intensity")


def measured(item, decision_logit=0.0):
    return EvaluatedSubject.from_item(item, BrainVoxels.from_item(item, SCORES), SCORES, decision_logit)


def test_annotated_patient_is_compared_with_its_mask(items):
    subject = measured(items[0])  # 0.9 0.8 0.6 are called; three lesion voxels, one of them outside the brain
    assert subject.row["attribution_dice"] == pytest.approx(2 * 2 / (3 + 3))
    assert (subject.row["brain_ml"], subject.row["lesion_ml"]) == (3.5, 1.5)
    assert subject.voxels is not None and set(subject.lesions) == set(SCORES)
    assert subject.lesions["attribution"].covered == pytest.approx([2 / 3])


@pytest.mark.parametrize("number", [2, 3], ids=["not_annotated", "healthy"])
def test_others_are_measured_without_one(items, number):
    subject = measured(items[number])
    assert subject.voxels is None and subject.lesions == {} and subject.row["lesion_ml"] is None
    assert [key for key in subject.row if key.startswith("attribution")] == ["attribution_volume_ml"]


@pytest.mark.parametrize(("threshold", "decision"), [(0.0, 1), (1.9, 1), (2.0, 0)])
def test_decision_and_probability(items, threshold, decision):
    row = measured(items[0], threshold).row
    assert (row["logit"], row["decision"]) == (2.0, decision)
    assert row["probability"] == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_healthy_mask_is_no_annotation(items):
    subject = measured({**items[3], "mask": torch.zeros_like(items[3]["attribution"])})
    assert subject.voxels is None and subject.row["lesion_ml"] is None
