"""What a cohort consists of: images, persons and masks by data set and section, and the sizes of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib

from bundle.data.checks import check_volume
from bundle.data.cohorts.existing import read_datalist
from bundle.data.cohorts.grids import Grid, grid_of, size_rows
from bundle.data.cohorts.scan import Scan, raise_problems
from bundle.data.records import SECTIONS


def summarise(sections: Mapping[str, Sequence[Scan]]) -> list[dict[str, Any]]:
    """Count images, persons and masks, one row for each data set and condition.

    Args:
        sections: scans by section.

    Returns:
        Rows with ``dataset``, ``condition``, ``masks`` and, for each section, a text such as ``"22"`` or
        ``"22 of 11 persons"``.
    """
    scans = [scan for part in sections.values() for scan in part]
    rows = []
    for key in sorted({(scan.dataset, scan.condition) for scan in scans}):
        parts = {
            name: [scan for scan in part if (scan.dataset, scan.condition) == key] for name, part in sections.items()
        }
        masks = sum(scan.mask is not None for part in parts.values() for scan in part)
        row = {"dataset": key[0], "condition": key[1], "masks": masks}
        rows.append(row | {name: _count(part) for name, part in parts.items()})
    return rows


def describe_datalist(path: Path, spatial_dims: int = 3) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Describe a datalist from itself and the headers of its images.

    Args:
        path: datalist.
        spatial_dims: number of spatial axes of the images.

    Returns:
        The rows of `summarise` and those of :py:func:`bundle.data.cohorts.grids.size_rows`.

    Raises:
        FileNotFoundError: When the datalist does not exist.
        ValueError: When it has problems, or headers cannot be read; the message has one line for each.
    """
    scans = read_datalist(path)
    grids, problems = [], []
    for scan in scans:
        try:
            grids.append((scan.subject, _read_grid(str(scan.image), spatial_dims)))
        except (ValueError, OSError) as error:
            problems.append(str(error))
    raise_problems(problems)
    sections = {name: [scan for scan in scans if scan.sections == (name,)] for name in SECTIONS}
    return summarise(sections), size_rows(grids)


def _read_grid(path: str, spatial_dims: int) -> Grid:
    """Return the grid of a file from its header."""
    try:
        image: Any = nib.load(path)
    except Exception:
        check_volume(path, spatial_dims)  # says what is wrong with which file
        raise
    return grid_of(image, spatial_dims, path)


def _count(scans: Sequence[Scan]) -> str:
    """Count images, and persons where they are fewer."""
    people = len({scan.patient for scan in scans})
    return str(len(scans)) if people == len(scans) else f"{len(scans)} of {people} persons"
