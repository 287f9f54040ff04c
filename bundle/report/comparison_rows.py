"""The rows of a comparison: which method, training attribution and score each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.conventions import ATTRIBUTION, EQUALISED, INPUT_WEIGHTED, INTENSITY
from bundle.report.comparison_csv import Row, distinct, select

REFERENCE = "unsup"
"""Key of the proposed method, with which all others are compared."""

SUPERVISED = "sup"
"""Key of the method that has seen lesion masks: a bound, not a competitor."""

ALPHA_METHOD = re.compile(r"(\w+)@alpha=(\d+\.?\d*(?:[eE][-+]?\d+)?)")
"""Methods of the sweep over the loss weight; they have a figure, no rows."""

LABELS: Mapping[str, str] = {
    "sup": "Supervised",
    "unsup": "Unsup",
    "unsup_tv": "UnsupTV",
    "unsup_ridge": "Unsup + ridge (ours)",
    "ross": "Ross",
    "erion": "Erion",
    "no_cons": "NoCons",
    "dae": "DAE",
    "f_anogan_joint": "f-AnoGAN, joint",
}

UNTRAINED: Mapping[str, str] = {INTENSITY: "Intensity threshold", EQUALISED: "Equalised intensity threshold"}
"""Scores that need no training -> their headings."""


@dataclass(frozen=True)
class ComparedRow:
    """A row of table IV or V.

    Attributes:
        key: name of the row, see `bundle.report.paper_values`.
        label: heading.
        method: method in the CSV files.
        score: score that is thresholded.
        estimators: training attributions, the preferred one first.
        estimator: the one that was chosen; None where the method has no run.
    """

    key: str
    label: str
    method: str
    score: str = ATTRIBUTION
    estimators: Sequence[str] = ("g", "eg", "ieg", "ig")
    estimator: str | None = None

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of a CSV that belong to this one, whatever their score."""
        return [] if self.estimator is None else select(rows, method=self.method, estimator=self.estimator)


_UNSUP = ComparedRow("unsup", "Unsup", "unsup")

# Table IV, section V-C: each method with its original training attribution, G for Ross and Unsup, EG for Erion; G at
# inference. Table V, section V-D: methods that learn from healthy images alone have no training attribution.
_PAPER_ROWS: Mapping[str, Sequence[ComparedRow]] = {
    "IV": (
        ComparedRow("sup", "Supervised", "sup"),
        ComparedRow("noconsg", "NoConsG", "no_cons", estimators=("",)),
        ComparedRow("noconsgc", "NoConsGC", "no_cons", score="grad_cam", estimators=("",)),
        ComparedRow("ross", "Ross", "ross"),
        ComparedRow("erion", "Erion", "erion", estimators=("eg", "g", "ieg", "ig")),
        _UNSUP,
    ),
    "V": (
        ComparedRow("silva_rodriguez", "Silva-Rodríguez", "silva_rodriguez", estimators=("",)),
        ComparedRow("ae", "AE", "ae", estimators=("",)),
        ComparedRow("vae", "VAE", "vae", estimators=("",)),
        ComparedRow("f_anogan", "f-AnoGAN", "f_anogan", estimators=("",)),
        _UNSUP,
    ),
}
_FURTHER_OF_V = ("dae", "f_anogan_joint")


def paper_rows(number: str) -> Sequence[ComparedRow]:
    """Return the rows that the paper's table IV or V has."""
    return _PAPER_ROWS[number]


def compared_tables(results: Sequence[Row]) -> list[str]:
    """Return which of the tables IV and V a cohort's results belong in: V where a method of its own was evaluated.

    Args:
        results: rows of ``results.csv`` of one cohort.
    """
    found = set(distinct(results, "method")) - {REFERENCE}
    fifth = found & _methods_of("V")
    return [*(["IV"] if not fifth or found & _methods_of("IV") else []), *(["V"] if fifth else [])]


def compared_rows(results: Sequence[Row], number: str = "IV") -> list[ComparedRow]:
    """Return the paper's rows, then the input-weighted maps of Unsup, further methods, and plain intensity.

    Args:
        results: rows of ``results.csv`` of one cohort.
        number: table, ``"IV"`` or ``"V"``; the methods of the other one are left out.
    """
    known = {row.method for row in _PAPER_ROWS[number]} | _methods_of("V" if number == "IV" else "IV")
    further = [
        ComparedRow(method, LABELS.get(method, method), method)
        for method in distinct(results, "method")
        if method not in known and not ALPHA_METHOD.fullmatch(method)
    ]
    weighted = ComparedRow("input_weighted", "Unsup, input-weighted", "unsup", score=INPUT_WEIGHTED)
    own = [weighted] if select(results, method=weighted.method, score=weighted.score) else []
    return [_chosen(row, results) for row in (*_PAPER_ROWS[number], *own, *further)] + _untrained(results)


def _methods_of(number: str) -> set[str]:
    """Return the methods that stand in one table alone."""
    methods = {row.method for row in _PAPER_ROWS[number]} | set(_FURTHER_OF_V if number == "V" else ())
    return methods - {REFERENCE}


def _chosen(row: ComparedRow, results: Sequence[Row]) -> ComparedRow:
    found = distinct(select(results, method=row.method), "estimator")
    preferred = [name for name in row.estimators if name in found] or found
    if not preferred:
        return row
    label = row.label if preferred[0] in ("", "g") else f"{row.label}, {preferred[0].upper()}"
    return replace(row, label=label, estimator=preferred[0])


def _untrained(results: Sequence[Row]) -> list[ComparedRow]:
    """Intensity needs no training, so its values stand in the rows of every method: take the first."""
    rows = []
    for score, label in UNTRAINED.items():
        found = select(results, score=score)
        if found:
            method, estimator = found[0]["method"], found[0]["estimator"]
            rows.append(ComparedRow(score, label, method, score=score, estimator=estimator))
    return rows
