"""The report of an evaluation: one HTML file that opens anywhere, and its figures as files."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from bundle import __version__
from bundle.data.files import write_text_atomically
from bundle.report.audit_section import audit_figure, audit_parts
from bundle.report.evaluation_figures import evaluation_figures
from bundle.report.evaluation_run import EvaluationRun, read_evaluation
from bundle.report.evaluation_tables import (
    condition_table,
    decision_table,
    healthy_table,
    lesion_table,
    significance_table,
    subjects_table,
    volume_table,
)
from bundle.report.evaluation_verdict import baseline_tests, key_numbers, verdict
from bundle.report.figure_files import save_figure
from bundle.report.html_parts import document, facts, folded, link, paragraph, picture, section, text
from bundle.report.mosaic_figures import mosaic_figures
from bundle.report.page_style import STYLE
from bundle.report.subject_sections import SUBJECTS_MAX, anchors_of, colour_key, subject_sections
from bundle.report.table_layout import file_label

logger = logging.getLogger(__name__)

WARNING = "Not for clinical use. The method and its numbers are for research."

_CAPTIONS = {
    "ranking": "Precision over recall and ROC curves of the pooled voxels, at most 200 points a curve. The dotted line "
    "ends AUROC10. Areas in the tables are exact.",
    "dice": "Dice over the threshold, mean ± standard deviation over subjects.",
    "volumes": "Volume that was called anomalous over the true volume of the lesion.",
    "histogram": "Attributions of brain voxels. Training pushes those of healthy subjects below zero; voxels beyond "
    "the range are counted in the end bins.",
    "decisions": "Logit of every subject; marks are moved up or down a little so that they stay apart.",
    "audit": "Fall of the image logit when a region is filled with healthy-looking tissue. The blue dot is the mean of "
    "a subject's control regions; a line joins the values of a subject. The axis is logarithmic beyond 0.1.",
    "sweep": "Metrics over the loss weight, from the comparison's results.csv.",
    "mosaic": "The subjects with the highest, the median and the lowest Dice of the method; of healthy subjects those "
    "with the least, the median and the most called. Axial slice with the most lesion.",
}


@dataclass(frozen=True)
class _Drawn:
    """A figure before it is written: kind, condition and name of its files."""

    kind: str
    place: str
    figure: Figure

    @property
    def name(self) -> str:
        return file_label(self.kind, self.place) if self.place else self.kind


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and the folder ``report_figures`` into the folder of an evaluation.

    Everything is read and drawn before the first file is written.

    Args:
        run_dir: ``output_dir`` of evaluate.yaml.

    Returns:
        The page.

    Raises:
        FileNotFoundError: When the folder holds no evaluation.
        ValueError: When one of its files is broken or there is no subject.
    """
    run = read_evaluation(run_dir)
    drawn = [_Drawn(*found) for found in evaluation_figures(run)]
    drawn += [_Drawn("mosaic", condition, figure) for condition, figure in mosaic_figures(run)]
    audit = audit_figure(run)  # last: the files of the others keep their numbers when there is one
    drawn += [_Drawn("audit", "", audit)] if audit is not None else []
    sections = list(subject_sections(run))
    figures: dict[str, list[str]] = {}
    for number, found in enumerate(drawn, 1):
        files = save_figure(found.figure, run.folder / "report_figures", f"{number:02d}_{found.name}")
        figures.setdefault(found.kind, []).append(_picture(found, files))
    target = run.folder / "report.html"
    write_text_atomically(target, page(run, figures, sections))
    logger.info("report written to %s", target)
    return target


def page(run: EvaluationRun, figures: Mapping[str, Sequence[str]], subjects: Sequence[str]) -> str:
    """Return the page.

    Args:
        run: the evaluation.
        figures: kind -> HTML of the figures of that kind.
        subjects: HTML of the subjects' sections.
    """
    sections = _sections(run, figures, subjects)
    source = run.record.get("source") or "unnamed data"
    contents = "".join(f"<li>{link(anchor, title)}</li>" for anchor, (title, _) in sections.items())
    body = "\n".join(section(anchor, title, *parts) for anchor, (title, parts) in sections.items())
    made = run.provenance.get("date", "")
    about = f"{len(run.subjects)} subjects, method: {run.method}{', ' + made if made else ''}"
    header = [
        paragraph(about, "lead"),
        paragraph(WARNING, "warning"),
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>',
    ]
    return document(f"Evaluation: {source}", STYLE, "\n".join(header), body)


def _sections(
    run: EvaluationRun, figures: Mapping[str, Sequence[str]], subjects: Sequence[str]
) -> dict[str, tuple[str, list[str]]]:
    """Return anchor -> title and parts of the sections, those without content left out."""
    tests = baseline_tests(run)
    cards = "".join(
        f'<div class="card"><b>{text(value)}</b><span>{text(kind)}</span><small>{text(remark)}</small></div>'
        for value, kind, remark in key_numbers(run)
    )
    findings = "".join(f"<li>{text(sentence)}</li>" for sentence in verdict(run, tests))
    summary = [f'<div class="cards">{cards}</div>', f'<ul class="findings">{findings}</ul>']
    if tests:
        note = (
            "Differences of a subject's values, two-sided, not corrected for the number of tests; a unit is a patient."
        )
        summary += [significance_table(tests), paragraph(note, "note")]
    without = paragraph("No slices are kept in report_slices, so there are no pictures.", "note")
    mosaics = [colour_key(), *figures.get("mosaic", [])] if "mosaic" in figures else [without]
    lesions, volumes, healthy = lesion_table(run), volume_table(run), healthy_table(run)
    sections = {
        "verdict": ("What was found", summary),
        "pictures": ("Best, median and worst", mosaics),
        "conditions": (
            "Segmentation by condition",
            [condition_table(run), paragraph(run.record["protocol"], "note"), *_of(figures, "ranking", "dice")],
        ),
        "decisions": ("Decisions", [decision_table(run), *_of(figures, "decisions")]),
        "healthy": ("Healthy subjects", [healthy] if healthy else []),
        "attributions": ("Attributions", _of(figures, "histogram")),
        "lesions": ("Lesion by lesion", [lesions] if lesions else []),
        "volumes": ("Volumes", [part for part in (volumes, *_of(figures, "volumes")) if part]),
        "sweep": ("Loss weight", _of(figures, "sweep")),
        "subjects": ("Subjects", _subjects(run, subjects)),
        "calibration": ("Calibration", _calibration(run)),
        "audit": ("Shortcut audit", audit_parts(run, _of(figures, "audit"))),
        "provenance": ("Where this comes from", _provenance(run)),
    }
    return {anchor: (title, parts) for anchor, (title, parts) in sections.items() if parts}


def _subjects(run: EvaluationRun, subjects: Sequence[str]) -> list[str]:
    anchors = anchors_of(run)
    parts = [subjects_table(run, run.subjects, anchors), colour_key()]
    if len(run.subjects) > SUBJECTS_MAX:
        parts.append(paragraph(f"The first {SUBJECTS_MAX} subjects follow; subjects.csv holds all.", "note"))
    return [*parts, *subjects]


def _calibration(run: EvaluationRun) -> list[str]:
    record = run.record
    values = {
        "thresholds": record["thresholds"],
        "decision": record["decision"],
        "model_sha256": record.get("model_sha256"),
    }
    others = {key: value for key, value in run.calibration.items() if key not in values}
    return [facts({**values, **others})]


def _provenance(run: EvaluationRun) -> list[str]:
    known = {"data": run.record.get("source") or None, "model_sha256": run.record.get("model_sha256")}
    parts = [facts({**known, **run.provenance, "report drawn with bundle": __version__})]
    if not run.provenance:
        parts.append(
            paragraph("The folder holds no evaluation_provenance.json: date and versions are unknown.", "note")
        )
    if run.config:
        content = f"<pre>{text(json.dumps(run.config, indent=2))}</pre>"
        parts.append(folded("config", "Configuration of the evaluation", content))
    return parts


def _of(figures: Mapping[str, Sequence[str]], *kinds: str) -> list[str]:
    return [part for kind in kinds for part in figures.get(kind, [])]


def _picture(found: _Drawn, files: Sequence[Path]) -> str:
    """Embed a figure: a mosaic as PNG, all others as SVG, which stays sharp in print."""
    png, svg = files
    caption = f"{found.place}. {_CAPTIONS[found.kind]}" if found.place else _CAPTIONS[found.kind]
    alt = f"{found.kind} {found.place}".strip()
    if found.kind == "mosaic":
        return picture(png.read_bytes(), "image/png", alt, caption)
    return picture(svg.read_bytes(), "image/svg+xml", alt, caption)
