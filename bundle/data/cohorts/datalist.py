"""Write the scans of one or several data sets as a datalist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.data.cohorts.scan import check_unique, raise_problems
from bundle.data.cohorts.split import Sections, order_in_section
from bundle.data.records import SECTIONS, validate_datalist
from bundle.data.writer import write_json


def write_datalist(path: Path, parts: Sequence[Sections], description: str) -> Sections:
    """Write a datalist in one step.

    Args:
        path: JSON file; its folder is made where it does not exist. Paths in it are relative to this folder.
        parts: sections of each data set.
        description: what made the file; kept in it.

    Returns:
        The sections of all data sets together.

    Raises:
        ValueError: When two scans have one subject, a person is in two sections, or training has one class only; the
            message has one line for each problem, and nothing is written.
    """
    path = path.expanduser().absolute()
    sections = {
        name: sorted((scan for part in parts for scan in part.get(name, [])), key=order_in_section) for name in SECTIONS
    }
    check_unique(scan for part in sections.values() for scan in part)
    entries = {name: [scan.entry(path.parent) for scan in part] for name, part in sections.items()}
    content = {"description": description, **entries}
    raise_problems([f"{path}: {problem}" for problem in validate_datalist(content)])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return sections
