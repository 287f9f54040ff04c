"""Quality control of a preprocessed data set: one page, the worst registrations first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bundle.data.files import write_text_atomically
from bundle.preprocessing import layout
from bundle.preprocessing.picture import ROWS
from bundle.preprocessing.subject import DONE, REASON, STATUS
from bundle.report.html_parts import Markup, document, facts, folded, link, paragraph, section, table, text
from bundle.report.page_style import STYLE

SCORE = "mutual_information"
FLAG_Z = -3.5  # a robust z below this flags a subject, the usual bound of a modified z-score
_MAD_TO_SD = 1.4826  # standard deviation of a normal distribution in median absolute deviations
_FEW = 5  # below this many subjects a deviation says nothing

_COLUMNS = {
    "subject": "Subject",
    "flag": "Flag",
    "score": "Mutual information, nats",
    "z": "Robust z",
    "overlap": "Dice with the template's brain",
    "brain_ml": "Brain, ml",
    "seconds": "Time, s",
}


def robust_z(scores: Sequence[float]) -> list[float | None]:
    """Return how far each score lies from the median, in standard deviations estimated from the median deviation.

    Args:
        scores: scores; with fewer than five, or more than half of them equal, nothing can be said.

    Source:
        Iglewicz and Hoaglin, How to detect and handle outliers, 1993.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < _FEW:
        return [None] * len(values)
    centred = values - np.median(values)
    deviation = _MAD_TO_SD * float(np.median(np.abs(centred)))
    return [float(value) / deviation if deviation > 0 else None for value in centred]


def write_qc_page(output_dir: Path, names: Sequence[str]) -> Path:
    """Write ``qc/index.html`` from the records and pictures of a preprocessed data set.

    Args:
        output_dir: folder that scripts.preprocess wrote.
        names: subjects to show.

    Returns:
        The page.

    Raises:
        FileNotFoundError: When a subject has no record.
    """
    records = {}
    for name in names:
        path = layout.record_file(output_dir, name)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: the subject has no record; run scripts.preprocess again")
        records[name] = json.loads(path.read_text(encoding="utf-8"))
    target = output_dir / "qc" / "index.html"
    write_text_atomically(target, page(records))
    return target


def page(records: dict[str, dict[str, Any]]) -> str:
    """Return the page.

    Args:
        records: subject -> record.
    """
    done = {name: record for name, record in records.items() if record[STATUS] == DONE}
    failed = [{"subject": name, "reason": record[REASON]} for name, record in records.items() if name not in done]
    rows = _rows(done)
    flagged = sum(bool(row["flag"]) for row in rows)
    cards = "".join(
        f'<div class="card"><b>{value}</b><span>{text(name)}</span></div>'
        for value, name in ((len(done), "done"), (len(failed), "failed"), (flagged, "flagged"))
    )
    shown = [{**row, "subject": Markup(link(row["subject"], row["subject"]))} for row in rows]
    pictures = "\n".join(_subject(row, done[row["subject"]]) for row in rows)
    parts = [section("failed", "Failed", table({"subject": "Subject", "reason": "Reason"}, failed))] if failed else []
    if rows:
        parts += [section("scores", "Scores", table(_COLUMNS, shown)), section("subjects", "Subjects", pictures)]
    header = f'{paragraph(_EXPLANATION, "lead")}\n<div class="cards">{cards}</div>'
    return document("Preprocessing: quality control", STYLE, header, "".join(parts), images=_IMAGES)


_IMAGES = "'self' file:"  # pictures are files beside the page
_EXPLANATION = (
    "Subjects in order of the mutual information of template and registered brain, the lowest first. A flag marks a "
    f"robust z below {FLAG_Z:g}, or a brain that overlaps with the template's less than the rest by as much. A score "
    "depends on contrast, slice thickness and lesions too: look before leaving a subject out."
)


def _rows(done: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the table, the lowest score first."""
    scores = robust_z([record[SCORE] for record in done.values()])
    overlaps = robust_z([record["brain_overlap"] for record in done.values()])
    rows = []
    for (name, record), z, overlap_z in zip(done.items(), scores, overlaps, strict=True):
        flags = [what for what, value in (("score", z), ("overlap", overlap_z)) if value is not None and value < FLAG_Z]
        rows.append(
            {
                "subject": name,
                "flag": ", ".join(flags),
                "score": record[SCORE],
                "z": z,
                "overlap": record["brain_overlap"],
                "brain_ml": record["brain_ml"],
                "seconds": record["seconds_total"],
            }
        )
    return sorted(rows, key=lambda row: row["score"])


def _subject(row: dict[str, Any], record: dict[str, Any]) -> str:
    """Return picture and record of a subject; the picture is a file beside the page."""
    name = row["subject"]
    flag = f' <span class="warning">flagged: {text(row["flag"])}</span>' if row["flag"] else ""
    shown = [title for title in ROWS if record["parameters"]["n4"] or "N4" not in title]
    caption = "; ".join(f"{title}: {ROWS[title]}" for title in shown)
    figure = (
        f'<figure class="strip"><img src="{text(name)}.png" loading="lazy" alt="{text(f"slices of {name}")}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )
    details = folded(f"record-{name}", f"record of {text(name)}", facts(record))
    return f'<h3 id="{text(name)}">{text(name)}{flag}</h3>\n{figure}\n{details}'
