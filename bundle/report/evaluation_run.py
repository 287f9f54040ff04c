"""Read the folder of an evaluation: what a report is drawn from, checked before anything is written."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.conventions import INTENSITY
from bundle.handlers.report_slices import ReportSlices, load_report_slices, slices_file
from bundle.report.comparison_csv import Row

_NEEDED = {
    "classification": dict,
    "summary": list,
    "subjects": list,
    "thresholds": dict,
    "decision": dict,
    "protocol": str,
}
_AUDIT_NEEDED = {"summary": list, "subjects": list, "left_out": list, "protocol": str}
_SWEEP_COLUMNS = ("cohort", "method", "estimator", "condition", "score", "metric", "value")


@dataclass(frozen=True)
class EvaluationRun:
    """Files of an evaluation.

    Attributes:
        folder: the folder.
        record: content of ``evaluation.json``, see :py:class:`bundle.handlers.EvaluationHandler`.
        curves: content of ``curves.json``; empty where the file is absent, like all that follow.
        calibration: how the thresholds were found.
        provenance: content of ``evaluation_provenance.json``.
        config: content of ``evaluation_config.json``.
        audit: content of ``audit.json``.
        sweep: rows of a comparison's ``results.csv``.
    """

    folder: Path
    record: Mapping[str, Any]
    curves: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    sweep: list[Row] = field(default_factory=list)

    @property
    def subjects(self) -> list[dict[str, Any]]:
        """Rows of the subjects."""
        return list(self.record["subjects"])

    @property
    def scores(self) -> list[str]:
        """Scores that were evaluated; the first one is the method."""
        return list(dict.fromkeys(row["score"] for row in self.record["summary"]))

    @property
    def method(self) -> str:
        """Score of the method."""
        return self.scores[0]

    @property
    def baseline(self) -> str | None:
        """Score that the method is compared with, if it was evaluated."""
        return INTENSITY if INTENSITY in self.scores[1:] else None

    @property
    def conditions(self) -> list[str]:
        """Conditions with annotated subjects."""
        return list(dict.fromkeys(row["condition"] for row in self.record["summary"] if "auprc" in row))

    def annotated(self, condition: str) -> list[dict[str, Any]]:
        """Return the rows of the annotated subjects of a condition."""
        return [row for row in self.subjects if row["condition"] == condition and row.get("lesion_ml") is not None]

    def slices(self, number: int) -> ReportSlices | None:
        """Return the slices of a subject, numbered from 1; None where none of this run are kept.

        Raises:
            ValueError: When the file is broken.
        """
        path = slices_file(self.folder / "report_slices", number)
        if not path.is_file():
            return None
        slices = load_report_slices(path)
        row = self.subjects[number - 1]
        return slices if (slices.subject, slices.logit) == (row["subject"], row["logit"]) else None


def read_evaluation(run_dir: str | os.PathLike[str]) -> EvaluationRun:
    """Read the folder of an evaluation.

    Raises:
        FileNotFoundError: When it holds no evaluation.
        ValueError: When a file is broken, or there is no subject.
    """
    folder = Path(run_dir)
    path = folder / "evaluation.json"
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}. Run evaluate.yaml with this output_dir first.")
    record = _read_object(path)
    _check_kinds(path, record, _NEEDED, "evaluate.yaml")
    for key in ("subjects", "summary"):
        if not record[key]:
            raise ValueError(
                f"{path}: {key!r} must hold at least one entry, got 0. Run evaluate.yaml on a test section."
            )
    others = {
        name: _read_object(folder / file) if (folder / file).is_file() else {}
        for name, file in (
            ("curves", "curves.json"),
            ("provenance", "evaluation_provenance.json"),
            ("config", "evaluation_config.json"),
            ("audit", "audit.json"),
        )
    }
    if others["audit"]:
        _check_kinds(folder / "audit.json", others["audit"], _AUDIT_NEEDED, "audit.yaml")
    threshold_file = folder / "threshold.json"
    calibration = record.get("threshold_file")
    if calibration is None and threshold_file.is_file():
        calibration = _read_object(threshold_file)
    return EvaluationRun(folder, record, calibration=calibration or {}, sweep=_sweep(folder / "results.csv"), **others)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise ValueError(f"{path}: the file must be valid JSON, got {error}. Run evaluate.yaml again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: the file must hold a JSON object, got {type(content).__name__}.")
    return content


def _check_kinds(path: Path, content: Mapping[str, Any], needed: Mapping[str, type], config: str) -> None:
    for key, kind in needed.items():
        if not isinstance(content.get(key), kind):
            found = type(content[key]).__name__ if key in content else "nothing"
            raise ValueError(f"{path}: {key!r} must be of type {kind.__name__}, got {found}. Run {config} again.")


def _sweep(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    try:
        return [{**{name: row[name] for name in _SWEEP_COLUMNS}, "value": float(row["value"] or "nan")} for row in rows]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: rows must have the columns of a comparison, got {error!r}.") from error
