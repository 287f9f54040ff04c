"""Reader of an EDMUS or OFSEP export: one row for each examination, with the path of its FLAIR image.

Source: Confavreux et al., J Neurol Neurosurg Psychiatry 55, 1992 (EDMUS); Vukusic et al., Mult Scler J 26, 2020
(OFSEP). The export's columns depend on the query, so that their names are options.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from bundle.conventions import IMAGE, MASK, PATIENT
from bundle.data.cohorts.rows import Table, read_table
from bundle.data.cohorts.scan import SITE, Scan, raise_problems

logger = logging.getLogger(__name__)

_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d")  # EDMUS writes the day first
# Usual names of the columns: of the export in English and in French.
USUAL_COLUMNS = {
    PATIENT: ("patient_id", "patient", "edmus_id", "local_identifier", "local_id", "identifiant"),
    IMAGE: ("flair", "flair_path", "path_flair", "image", "chemin_flair"),
    "date": ("mri_date", "date_mri", "exam_date", "date", "date_irm"),
    "course": ("disease_course", "ms_course", "course", "phenotype", "forme"),
    "sex": ("sex", "gender", "sexe"),
    SITE: ("site", "center", "centre"),
    MASK: ("mask", "lesion_mask"),
}


def read_edmus(
    source: Path,
    *,
    columns: Mapping[str, str] | None = None,
    condition: str = "ms",
    image_root: Path | None = None,
    dataset: str = "OFSEP",
) -> list[Scan]:
    """Read a table of examinations.

    A patient's examinations are numbered by date; dates and sex themselves are not written to a datalist. Rows without
    a path are examinations without a FLAIR image and are left out. The course of the disease becomes the group.

    Args:
        source: table, see :py:func:`bundle.data.cohorts.rows.read_table`.
        columns: names of the columns ``patient``, ``image``, ``date``, ``course``, ``sex``, ``site`` and ``mask`` where
            they are not usual ones.
        condition: condition of all patients.
        image_root: folder that relative paths start from; default: the table's folder.
        dataset: name of the data set, put in front of subjects and patients.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When a column is missing, or a row cannot be used; the message has one line for each.
    """
    table, columns = read_table(source), columns or {}
    unknown = sorted(set(columns) - set(USUAL_COLUMNS))
    if unknown:
        raise ValueError(
            f"a column is one of {', '.join(USUAL_COLUMNS)}, got {unknown[0]!r}; write --columns image=NAME"
        )
    name = {
        role: table.column(usual, columns.get(role, ""), role in (PATIENT, IMAGE, "date"))
        for role, usual in USUAL_COLUMNS.items()
    }
    visits, problems = _visits(table, name)
    raise_problems(problems + _changed_sex(table, name))
    left_out = len(table.rows) - sum(len(rows) for rows in visits.values())
    if left_out:
        logger.warning("%s: %d of %d rows name no FLAIR image and are left out", source, left_out, len(table.rows))
    root = image_root or source.parent
    return [
        Scan(
            subject=f"{patient}_visit-{number:02d}",
            patient=patient,
            image=root / row[name[IMAGE]],
            condition=condition,
            mask=root / row[name[MASK]] if name[MASK] and row[name[MASK]] else None,
            site=row[name[SITE]] if name[SITE] else "",
            group=row[name["course"]] if name["course"] else "",
        ).of(dataset)
        for patient, rows in visits.items()
        for number, row in enumerate(rows, start=1)
    ]


def _visits(table: Table, name: Mapping[str, str]) -> tuple[dict[str, list[Mapping[str, str]]], list[str]]:
    """Return each patient's rows with an image in the order of their dates, and the problems of rows."""
    dated: dict[str, list[tuple[date, str, int]]] = {}
    problems = []
    for index, row in enumerate(table.rows):
        patient, image = row[name[PATIENT]], row[name[IMAGE]]
        if not image:
            continue
        if not patient:
            problems.append(f"{table.where(index)}: {name[PATIENT]!r} must not be empty; fill it in or remove the row")
            continue
        try:
            dated.setdefault(patient, []).append((_date(row[name["date"]]), image, index))
        except ValueError as error:
            problems.append(f"{table.where(index)}: {name['date']!r} {error}")
    order = {patient: sorted(rows) for patient, rows in sorted(dated.items())}
    return {patient: [table.rows[index] for *_, index in rows] for patient, rows in order.items()}, problems


def _date(text: str) -> date:
    """Read a date."""
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise ValueError(f"must be a date such as 2019-03-31 or 31/03/2019, got {text!r}; correct it")


def _changed_sex(table: Table, name: Mapping[str, str]) -> list[str]:
    """Find patients with two sexes: most often two persons under one identifier."""
    first: dict[str, str] = {}
    problems = []
    for index, row in enumerate(table.rows):
        patient, sex = row[name[PATIENT]], row[name["sex"]] if name["sex"] else ""
        if patient and sex and first.setdefault(patient, sex) != sex:
            problems.append(
                f"{table.where(index)}: patient {patient!r} must have one sex, got {sex!r} after {first[patient]!r}; "
                "check that the identifier is that of one person"
            )
    return problems
