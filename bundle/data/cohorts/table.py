"""Reader of a CSV, TSV or JSON table with one row for each scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bundle.conventions import CONDITION, HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, PATIENT, SUBJECT
from bundle.data.cohorts.conditions import name_condition
from bundle.data.cohorts.rows import read_table
from bundle.data.cohorts.scan import DATASET, GROUP, HEALTHY_CONDITION, SITE, Scan, raise_problems
from bundle.data.records import SECTIONS

_SECTION = "section"
ROLES = (SUBJECT, IMAGE, LABEL, CONDITION, MASK, PATIENT, DATASET, SITE, GROUP, _SECTION)
_LABELS = {str(HEALTHY): HEALTHY_CONDITION, str(PATHOLOGICAL): "pathological"}


def read_table_cohort(
    source: Path,
    *,
    columns: Mapping[str, str] | None = None,
    condition: str = "",
    conditions: Mapping[str, str] | None = None,
    dataset: str = "",
) -> list[Scan]:
    """Read a table with the columns ``subject`` and ``image``, and perhaps others.

    A table needs ``condition`` or ``label``, or all rows have one condition. It may have ``mask``, ``patient``,
    ``dataset``, ``site``, ``group`` and ``section``; a row with a section is put in that section. Paths are relative to
    the table's folder.

    Args:
        source: table, see :py:func:`bundle.data.cohorts.rows.read_table`.
        columns: name of the column for each of these names that the table calls otherwise.
        condition: condition of all rows.
        conditions: conditions by value of the column ``condition``.
        dataset: name of the data set, put in front of subjects and patients; default: the table's name, in front of
            nothing.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When a column is missing or a row cannot be used; the message has one line for each row.
    """
    table, columns = read_table(source), columns or {}
    unknown = sorted(set(columns) - set(ROLES))
    if unknown:
        raise ValueError(f"a column is one of {', '.join(ROLES)}, got {unknown[0]!r}; write --columns image=NAME")
    name = {role: table.column([role], columns.get(role, ""), role in (SUBJECT, IMAGE)) for role in ROLES}
    if not (condition or name[CONDITION] or name[LABEL]):
        raise ValueError(
            f"{source}: a table must have a column 'condition' or 'label', got {', '.join(table.columns)}; "
            "name it with --columns, or give all rows one --condition"
        )
    scans, problems = [], []
    for index, row in enumerate(table.rows):
        cells = {role: row[column] if column else "" for role, column in name.items()}
        try:
            cells[CONDITION] = condition or _condition(cells, conditions or {})
            scan = _scan(cells, source)
            scans.append(scan if not dataset else scan.of(dataset))
        except ValueError as error:
            problems.append(f"{table.where(index)}: {error}")
    raise_problems(problems)
    return scans


def _condition(cells: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Return a row's condition from its condition, its label, or both where they agree."""
    label = cells[LABEL].removesuffix(".0")
    if label and label not in _LABELS:
        raise ValueError(f"'label' must be 0 (healthy) or 1 (pathological), got {cells[LABEL]!r}; correct it")
    if not (label or cells[CONDITION]):
        raise ValueError("'condition' and 'label' must not both be empty; fill one in or remove the row")
    condition = name_condition(cells[CONDITION], names) if cells[CONDITION] else _LABELS[label]
    if label and (label == str(HEALTHY)) != (condition == HEALTHY_CONDITION):
        raise ValueError(f"'label' must agree with the condition {condition!r}, got {label!r}; correct one")
    return condition


def _scan(cells: Mapping[str, str], source: Path) -> Scan:
    """Make the scan of a row."""
    lacking = [role for role in (SUBJECT, IMAGE) if not cells[role]]
    if lacking:
        raise ValueError(f"{lacking[0]!r} must not be empty; fill it in or remove the row")
    if cells[_SECTION] and cells[_SECTION] not in SECTIONS:
        raise ValueError(f"'section' must be one of {', '.join(SECTIONS)}, got {cells[_SECTION]!r}; correct it")
    return Scan(
        subject=cells[SUBJECT],
        patient=cells[PATIENT] or cells[SUBJECT],
        image=source.parent / cells[IMAGE],
        condition=cells[CONDITION],
        mask=source.parent / cells[MASK] if cells[MASK] else None,
        dataset=cells[DATASET] or source.stem,
        site=cells[SITE],
        group=cells[GROUP],
        sections=(cells[_SECTION],) if cells[_SECTION] else SECTIONS,
    )
