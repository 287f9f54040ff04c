"""Sections of single subjects: their numbers and their slices, small enough that a page of many can be opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bundle.handlers.report_slices import ReportSlices
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.evaluation_tables import decision_words, subject_table, subject_words
from bundle.report.html_parts import folded, number, paragraph, picture, text
from bundle.report.slice_pictures import FALSE, FOUND, MISSED, panel_titles, strip_jpeg

SUBJECTS_MAX = 1000
"""Most subjects with a section of their own; tables and figures count all."""

PICTURES_BYTES = 7_000_000
"""Room for the slices of all subjects before they are encoded as text, which adds a third."""

_LARGEST, _SMALLEST = 240, 110  # height of a slice in pixels
_BYTES_A_PIXEL = 0.34  # of a strip, measured at the smallest size, mean of 59 slices of real volumes


@dataclass(frozen=True)
class PictureSize:
    """How much of the slices there is room for.

    Attributes:
        pixels: height of a slice; 0 where no picture fits.
        planes: most slices of a subject.
    """

    pixels: int
    planes: int


def picture_size(subjects: int, *, planes: int = 4, panels: int = 4) -> PictureSize:
    """Return the size at which the slices of all subjects fit, with fewer slices of each before none.

    Args:
        subjects: subjects with pictures.
        planes: slices of a subject.
        panels: panels side by side.
    """
    for kept in (planes, 2, 1):
        room = PICTURES_BYTES / (max(subjects, 1) * kept * panels * _BYTES_A_PIXEL)
        if room >= _SMALLEST**2:
            return PictureSize(min(_LARGEST, int(room**0.5)), kept)
    return PictureSize(0, 0)


def anchors_of(run: EvaluationRun) -> list[str]:
    """Return the anchor of every subject; empty for those beyond the ones with a section."""
    return [f"subject-{place}" if place <= SUBJECTS_MAX else "" for place in range(1, len(run.subjects) + 1)]


def subject_sections(run: EvaluationRun) -> Iterator[str]:
    """Yield the HTML of every subject with a section, in the order of the evaluation.

    Raises:
        ValueError: When the slices of a subject are broken.
    """
    rows = run.subjects[:SUBJECTS_MAX]
    size = picture_size(len(rows))
    for place, (row, anchor) in enumerate(zip(rows, anchors_of(run), strict=False), 1):
        dice = row.get(f"{run.method}_dice")
        remark = f"{row['condition']}, called {decision_words(row)}"
        remark += "" if dice is None else f", Dice {number(dice)}"
        slices = run.slices(place) if size.pixels else None
        reason = "No slices of this subject are kept." if size.pixels else "The page has no room for so many pictures."
        pictures = _pictures(slices, size) if slices else paragraph(reason, "note")
        heading = f"<b>{text(row['subject'])}</b><small>{text(remark)}</small>"
        yield folded(anchor, heading, paragraph(subject_words(row)), subject_table(run, row), pictures)


def colour_key() -> str:
    """Return what the colours of the masks and of the map mean."""
    parts = [
        f'<i style="background:{colour}"></i>{text(label)}'
        for colour, label in ((FOUND, "found"), (FALSE, "called, not lesion"), (MISSED, "missed"))
    ]
    return (
        f'<p class="key">Masks: {"".join(parts)}. Map: blue speaks for health, white is zero, red speaks for '
        "pathology. The patient's left is on the left.</p>"
    )


def _pictures(slices: ReportSlices, size: PictureSize) -> str:
    titles = "".join(f"<span>{text(title)}</span>" for title in panel_titles(slices))
    parts = [f'<div class="panels">{titles}</div>']
    for plane in slices.planes[: size.planes]:
        caption = f"{plane.name}, slice {plane.place[0]} of {plane.place[1]}"
        alt = f"{slices.subject}: {caption}"
        parts.append(picture(strip_jpeg(slices, plane, size.pixels), "image/jpeg", alt, caption, "strip"))
    parts.append(paragraph(f"The map's colours end at ±{slices.limit:.3g}.", "note"))
    return "\n".join(parts)
