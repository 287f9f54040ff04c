"""Tables of an evaluation as HTML: conditions, healthy subjects, decisions, lesions, volumes, subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bundle.handlers.items import BRAIN_ML_MAX
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.evaluation_verdict import BaselineTest
from bundle.report.html_parts import Markup, link, number, plus_minus, table

TOO_LARGE = "More of the image is not zero than a brain can fill: extract the brain first, this map means little."

_DECISIONS = ("healthy", "pathological")


def condition_table(run: EvaluationRun) -> str:
    """Return Dice and areas of every condition and score."""
    rows = [{**row, "dice": plus_minus(row["dice"], row["dice_sd"])} for row in run.record["summary"] if "auprc" in row]
    columns = {
        "condition": "Condition",
        "score": "Score",
        "subjects": "Subjects",
        "dice": "Dice (mean ± sd)",
        "auprc": "AUPRC",
        "auroc": "AUROC",
        "auroc10": "AUROC10",
        "auprc_brain": "AUPRC, brain",
        "auroc_brain": "AUROC, brain",
        "auroc10_brain": "AUROC10, brain",
        "threshold": "Threshold",
    }
    return table(columns, rows)


def significance_table(tests: Sequence[BaselineTest]) -> str:
    """Return the tests of the method against the baseline."""
    rows = [
        {
            "condition": found.condition,
            "metric": found.metric,
            "difference": None if math.isnan(found.test.difference) else found.test.difference,
            "outcome": found.outcome,
            "explanation": found.explanation,
        }
        for found in tests
    ]
    columns = {
        "condition": "Condition",
        "metric": "Metric of a subject",
        "difference": "Method minus intensity",
        "outcome": "Method is",
        "explanation": "Paired permutation test",
    }
    return table(columns, rows)


def healthy_table(run: EvaluationRun) -> str:
    """Return what was called anomalous in healthy subjects; empty without one."""
    rows = [row for row in run.record["summary"] if "false_positive_ml" in row]
    columns = {
        "score": "Score",
        "subjects": "Healthy subjects",
        "false_positive_ml": "False positives (ml)",
        "negative_fraction": "Brain voxels with negative attribution",
    }
    return table(columns, rows) if rows else ""


def decision_table(run: EvaluationRun) -> str:
    """Return how many subjects of every condition were called healthy and pathological."""
    rows = []
    for condition in dict.fromkeys(row["condition"] for row in run.subjects):
        subjects = [row for row in run.subjects if row["condition"] == condition]
        called = sum(row["decision"] for row in subjects)
        right = sum(row["decision"] == row["label"] for row in subjects)
        counts = {"pathological": called, "healthy": len(subjects) - called, "right": right / len(subjects)}
        rows.append({"condition": condition, "subjects": len(subjects), **counts})
    columns = {
        "condition": "Condition",
        "subjects": "Subjects",
        "healthy": "Called healthy",
        "pathological": "Called pathological",
        "right": "Fraction called rightly",
    }
    return table(columns, rows)


def lesion_table(run: EvaluationRun) -> str:
    """Return lesion-wise sensitivity and false components of every volume class; empty without values."""
    rows = [{**row, "volume": _volume_class(row)} for row in run.record.get("lesions", [])]
    columns = {
        "condition": "Condition",
        "score": "Score",
        "volume": "Volume (ml)",
        "lesions": "Lesions",
        "detected": "Detected",
        "sensitivity": "Sensitivity",
        "false_positives_per_image": "False components an image",
    }
    return table(columns, rows) if rows else ""


def volume_table(run: EvaluationRun) -> str:
    """Return the agreement of called and true volumes; empty without values."""
    columns = {
        "condition": "Condition",
        "score": "Score",
        "subjects": "Subjects",
        "absolute_difference_ml": "Mean absolute difference (ml)",
        "bias_ml": "Bias (ml)",
        "lower_limit_ml": "Lower limit (ml)",
        "upper_limit_ml": "Upper limit (ml)",
        "correlation": "Correlation",
    }
    rows = run.record.get("volumes", [])
    return table(columns, rows) if rows else ""


def subjects_table(run: EvaluationRun, rows: Sequence[Mapping[str, Any]], anchors: Sequence[str]) -> str:
    """Return one row a subject, its name a link to its section.

    Args:
        run: the evaluation.
        rows: rows of the subjects.
        anchors: anchor of each; empty where a subject has no section.
    """
    columns = {
        "name": "Subject",
        "condition": "Condition",
        "called": "Called",
        "probability": "Probability",
        "lesion_ml": "Lesion (ml)",
        f"{run.method}_volume_ml": "Called (ml)",
        f"{run.method}_dice": "Dice",
        f"{run.method}_auprc": "AUPRC",
    }
    if run.baseline:
        columns |= {f"{run.baseline}_dice": "Dice, intensity", f"{run.baseline}_auprc": "AUPRC, intensity"}
    shown = []
    for row, anchor in zip(rows, anchors, strict=True):
        name = Markup(link(anchor, row["subject"])) if anchor else row["subject"]
        shown.append({**row, "name": name, "called": decision_words(row)})
    return table(columns, shown)


def subject_table(run: EvaluationRun, row: Mapping[str, Any]) -> str:
    """Return the numbers of one subject, a row a score."""
    columns = {"score": "Score", "volume_ml": "Called (ml)"}
    if f"{run.method}_dice" in row:
        columns |= {"dice": "Dice", "best_dice": "Best Dice", "auprc": "AUPRC", "auroc": "AUROC", "auroc10": "AUROC10"}
    rows = [{**{key: row.get(f"{score}_{key}") for key in columns}, "score": score} for score in run.scores]
    return table(columns, rows)


def subject_words(row: Mapping[str, Any]) -> str:
    """Return decision, lesion and brain of a subject as a sentence."""
    lesion = "lesion not known" if row["lesion_ml"] is None else f"lesion {number(row['lesion_ml'])} ml"
    patient = f"Patient {row['patient']}. " if "patient" in row else ""
    return (
        f"{patient}{row['condition']}, called {decision_words(row)} with probability {number(row['probability'])} "
        f"(logit {number(row['logit'])}); {lesion}, brain {number(row['brain_ml'])} ml."
        + (f" {TOO_LARGE}" if row["brain_ml"] > BRAIN_ML_MAX else "")
    )


def decision_words(row: Mapping[str, Any]) -> str:
    """Return the decision, with a mark where it is wrong."""
    return _DECISIONS[row["decision"]] + ("" if row["decision"] == row["label"] else " (wrong)")


def _volume_class(row: Mapping[str, Any]) -> str:
    lower, upper = row["lower_ml"], row["upper_ml"]
    if upper is None:
        return f"from {lower:g}" if lower else "all"
    return f"{lower:g} to {upper:g}"
