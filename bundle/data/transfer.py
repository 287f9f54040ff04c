"""Datalist of a test on other data than the training's: two data sets of slices, each with sections of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle.conventions import SUBJECT, TEST, TRAINING, VALIDATION
from bundle.data.records import load_sections, relative_entry

TRANSFER = "transfer.json"


def transfer_datalist(trained: Path, tested: Path, folder: Path) -> dict[str, Any]:
    """Return a datalist with the training and validation of one data set and the test of another.

    Args:
        trained: datalist of the first.
        tested: datalist of the second.
        folder: folder of the new datalist, which its paths are relative to.

    Raises:
        FileNotFoundError: When a file does not exist.
        ValueError: When a datalist has problems or lacks such a section, or a subject stands in both.
    """
    first, second = load_sections(trained), load_sections(tested)
    sections = {**{name: first.get(name, []) for name in (TRAINING, VALIDATION)}, TEST: second.get(TEST, [])}
    for name, entries in sections.items():
        if not entries:
            raise ValueError(f"{tested if name == TEST else trained}: the section {name!r} must have entries, got none")
    known = {entry[SUBJECT] for name in (TRAINING, VALIDATION) for entry in sections[name]}
    both = sorted(known & {entry[SUBJECT] for entry in sections[TEST]})
    if both:
        raise ValueError(f"{tested}: a test subject must not stand in {trained}, got {both[0]}; rename one of them")
    return {name: [relative_entry(entry, folder) for entry in entries] for name, entries in sections.items()}
