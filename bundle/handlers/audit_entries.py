"""Which images of a datalist are audited, see :py:class:`bundle.handlers.ShortcutAuditHandler`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bundle.conventions import CONDITION, LABEL, PATHOLOGICAL
from bundle.handlers.calibration import person


def audited_entries(entries: Sequence[Mapping[str, Any]], patients: int | None = None) -> list[Mapping[str, Any]]:
    """Return the pathological entries of a datalist's section, perhaps of the first patients of each condition alone.

    Args:
        entries: entries of the section.
        patients: patients of each condition; None takes all.
    """
    taken: dict[str, set[str]] = {}
    chosen = []
    for entry in entries:
        people = taken.setdefault(str(entry[CONDITION]), set())
        if int(entry[LABEL]) == PATHOLOGICAL and (patients is None or len(people | {person(entry)}) <= patients):
            people.add(person(entry))
            chosen.append(entry)
    return chosen


def check_audited(entries: Sequence[Mapping[str, Any]], draws: int, datalist: str) -> Sequence[Mapping[str, Any]]:
    """Check that there is a patient to audit, and that controls are asked for.

    Args:
        entries: what `audited_entries` chose.
        draws: control regions of each patient.
        datalist: the datalist, for the message.

    Returns:
        The entries, so that the check can stand before another one.

    Raises:
        ValueError: When there is no pathological entry, or ``draws`` is below 1.
    """
    if not entries:
        raise ValueError(f"{datalist}: an audit needs pathological test images (label 1), got 0; use another datalist")
    if draws < 1:
        raise ValueError(f"draws must be at least 1 control region of each patient, got {draws}")
    return entries
