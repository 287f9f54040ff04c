"""The healthy part of a datalist, for methods that learn from healthy images alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.conventions import HEALTHY, LABEL
from bundle.data.records import Entry


def keep_healthy(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that are labelled healthy."""
    return [entry for entry in entries if entry.get(LABEL) == HEALTHY]


def check_healthy(path: str | Path, sections: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """Check that each of some sections has a healthy image.

    Args:
        path: the datalist, for the message.
        sections: name of the section -> its healthy entries.

    Returns:
        The entries of all sections, so that the check can stand before another one.

    Raises:
        ValueError: When a section has none; the message has one line per section.
    """
    problems = [
        f"{path}: section {name!r} must hold healthy images (label 0), got none; add some"
        for name, entries in sections.items()
        if not entries
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return [entry for entries in sections.values() for entry in entries]
