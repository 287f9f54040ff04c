"""Rows of an evaluation's tables: what was measured of the subjects, summarised by condition and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bundle.conventions import HEALTHY
from bundle.handlers.evaluation_curves import dice_over_threshold, ranking_points
from bundle.handlers.evaluation_subjects import EvaluatedSubject
from bundle.metrics import (
    FPR_MAX,
    RankingCurve,
    detection_by_volume,
    mean,
    standard_deviation,
    volume_agreement,
)

Row = dict[str, Any]


def annotated_by_condition(subjects: Sequence[EvaluatedSubject]) -> dict[str, list[EvaluatedSubject]]:
    """Return the annotated patients of each condition, by its name."""
    found: dict[str, list[EvaluatedSubject]] = {}
    for subject in subjects:
        if subject.voxels is not None:
            found.setdefault(subject.row["condition"], []).append(subject)
    return dict(sorted(found.items()))


def condition_rows(
    annotated: Mapping[str, Sequence[EvaluatedSubject]], scores: Sequence[str], thresholds: Mapping[str, float]
) -> tuple[list[Row], list[Row]]:
    """Return the summary of every condition and score, and the curves behind it.

    Args:
        annotated: condition -> its annotated patients.
        scores: names of the scores.
        thresholds: score -> threshold in use.
    """
    rows, curves = [], []
    for condition, subjects in annotated.items():
        parts = [subject.voxels for subject in subjects if subject.voxels is not None]
        outside_lesion = [part.outside_lesion for part in parts]
        outside_healthy = sum(part.outside_healthy for part in parts)
        for name in scores:
            voxels = [part.sorted_voxels(name) for part in parts]
            brain = RankingCurve.pooled(voxels)
            whole = brain.with_lowest(sum(outside_lesion), outside_healthy)
            dice = dice_over_threshold(voxels, outside_lesion, brain.thresholds, thresholds[name])
            curves.append({"condition": condition, "score": name, **ranking_points(brain, whole), "dice": dice})
            rows.append(
                {
                    "condition": condition,
                    "score": name,
                    "subjects": len(subjects),
                    "auprc": whole.average_precision(),
                    "auroc": whole.roc_area(),
                    "auroc10": whole.roc_area(FPR_MAX),
                    "auprc_brain": brain.average_precision(),
                    "auroc_brain": brain.roc_area(),
                    "auroc10_brain": brain.roc_area(FPR_MAX),
                    "dice": mean(subject.row[f"{name}_dice"] for subject in subjects),
                    "dice_sd": standard_deviation(subject.row[f"{name}_dice"] for subject in subjects),
                    "threshold": thresholds[name],
                }
            )
    return rows, curves


def healthy_rows(
    subjects: Sequence[EvaluatedSubject], scores: Sequence[str], thresholds: Mapping[str, float]
) -> list[Row]:
    """Return what every score calls in healthy subjects; nothing where there is none.

    Args:
        subjects: all subjects.
        scores: names of the scores; the first one is the method, whose sign counts.
        thresholds: score -> threshold in use.
    """
    healthy = [subject.row for subject in subjects if subject.row["label"] == HEALTHY]
    if not healthy:
        return []
    rows = []
    for name in scores:
        row: Row = {"condition": "healthy", "score": name, "subjects": len(healthy)}
        row["threshold"] = thresholds[name]
        row["false_positive_ml"] = mean(subject[f"{name}_volume_ml"] for subject in healthy)
        if name == scores[0]:
            row["negative_fraction"] = mean(subject["negative_fraction"] for subject in healthy)
        rows.append(row)
    return rows


def lesion_rows(annotated: Mapping[str, Sequence[EvaluatedSubject]], scores: Sequence[str]) -> list[Row]:
    """Return the detected lesions and false components of every condition, score and class of volume."""
    return [
        {"condition": condition, "score": name, **asdict(part), "sensitivity": part.sensitivity}
        for condition, subjects in annotated.items()
        for name in sorted(scores)
        for part in detection_by_volume([subject.lesions[name] for subject in subjects])
    ]


def volume_rows(annotated: Mapping[str, Sequence[EvaluatedSubject]], scores: Sequence[str]) -> list[Row]:
    """Return the agreement of called and true volumes of every condition and score."""
    rows = []
    for condition, subjects in annotated.items():
        true = [subject.row["lesion_ml"] for subject in subjects]
        for name in sorted(scores):
            agreement = volume_agreement([subject.row[f"{name}_volume_ml"] for subject in subjects], true)
            rows.append({"condition": condition, "score": name, **asdict(agreement)})
    return rows
