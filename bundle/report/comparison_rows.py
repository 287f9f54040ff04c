"""The rows of a comparison: which method, training attribution and score each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.conventions import ATTRIBUTION, INPUT_WEIGHTED, INTENSITY
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
}


@dataclass(frozen=True)
class ComparedRow:
    """A row of table IV.

    Attributes:
        key: name of the row, see `bundle.report.paper_values.table_4`.
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


# Section V-C: each method with its original training attribution, G for Ross and Unsup, EG for Erion; G at inference.
_PAPER_ROWS = (
    ComparedRow("sup", "Supervised", "sup"),
    ComparedRow("noconsg", "NoConsG", "no_cons", estimators=("",)),
    ComparedRow("noconsgc", "NoConsGC", "no_cons", score="grad_cam", estimators=("",)),
    ComparedRow("ross", "Ross", "ross"),
    ComparedRow("erion", "Erion", "erion", estimators=("eg", "g", "ieg", "ig")),
    ComparedRow("unsup", "Unsup", "unsup"),
)


def compared_rows(results: Sequence[Row]) -> list[ComparedRow]:
    """Return the paper's six rows, then the input-weighted maps of Unsup, further methods, and plain intensity.

    Args:
        results: rows of ``results.csv`` of one cohort.
    """
    known = {row.method for row in _PAPER_ROWS}
    further = [
        ComparedRow(method, LABELS.get(method, method), method)
        for method in distinct(results, "method")
        if method not in known and not ALPHA_METHOD.fullmatch(method)
    ]
    weighted = ComparedRow("input_weighted", "Unsup, input-weighted", "unsup", score=INPUT_WEIGHTED)
    own = [weighted] if select(results, method=weighted.method, score=weighted.score) else []
    return [_chosen(row, results) for row in (*_PAPER_ROWS, *own, *further)] + _intensity(results)


def _chosen(row: ComparedRow, results: Sequence[Row]) -> ComparedRow:
    found = distinct(select(results, method=row.method), "estimator")
    preferred = [name for name in row.estimators if name in found] or found
    if not preferred:
        return row
    label = row.label if preferred[0] in ("", "g") else f"{row.label}, {preferred[0].upper()}"
    return replace(row, label=label, estimator=preferred[0])


def _intensity(results: Sequence[Row]) -> list[ComparedRow]:
    """Intensity needs no training, so its values stand in the rows of every method: take the first."""
    found = select(results, score=INTENSITY)
    if not found:
        return []
    method, estimator = found[0]["method"], found[0]["estimator"]
    return [ComparedRow("intensity", "Intensity threshold", method, score=INTENSITY, estimator=estimator)]
