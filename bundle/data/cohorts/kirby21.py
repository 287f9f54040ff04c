"""Reader of the Multi-Modal MRI Reproducibility Resource, known as Kirby 21.

Source: Landman et al., NeuroImage 54, 2011: 21 healthy persons, each scanned twice, as 42 scans ``KKI2009-01`` to
``KKI2009-42``. Which two scans are of one person stands only in the table of the release.
"""

from __future__ import annotations

import re
from pathlib import Path

from bundle.data.cohorts.rows import Table, read_table
from bundle.data.cohorts.scan import HEALTHY_CONDITION, Scan, list_nifti, nifti_stem, open_folder, raise_problems

_NAME = re.compile(r"KKI2009-(\d+)-FLAIR")
_SCAN = re.compile(r"(?:KKI2009-)?0*(\d+)", re.IGNORECASE)


def read_kirby21(
    source: Path, *, demographics: Path | None = None, scan_column: str = "", subject_column: str = ""
) -> list[Scan]:
    """Read Kirby 21: ``KKI2009-01-FLAIR.nii.gz`` and so on, in any folders, and its table.

    Args:
        source: folder of the scans.
        demographics: table with one row for each scan; default: the one ``.csv`` or ``.tsv`` file in the source.
        scan_column: column with the scan, as ``KKI2009-01`` or 1; default: ``scan`` or ``scan id``.
        subject_column: column with the person; default: ``subject`` or ``subject id``.

    Raises:
        FileNotFoundError: When the source is not a folder or holds no such scan, or there is no table.
        ValueError: When there are several tables, or a scan has no row; the message has one line for each.
    """
    source = open_folder(source)
    images = [image for image in list_nifti(source, "KKI2009-*-FLAIR") if _NAME.fullmatch(nifti_stem(image))]
    if not images:
        raise FileNotFoundError(f"{source}: the folder must hold files named KKI2009-01-FLAIR.nii.gz, got none")
    table = read_table(demographics or _only_table(source))
    people = _people(table, scan_column, subject_column)
    scans, problems = [], []
    for image in images:
        name = nifti_stem(image).removesuffix("-FLAIR")
        person = people.get(int(name.removeprefix("KKI2009-")))
        if person is None:
            problems.append(f"{image}: scan {name} must have a row in {table.path}, got none; add it")
            continue
        scans.append(
            Scan(
                subject=name,
                patient=f"kirby21_{person}",
                image=image,
                condition=HEALTHY_CONDITION,
                dataset="kirby21",
                site="KKI",
            )
        )
    raise_problems(problems)
    return scans


def _only_table(source: Path) -> Path:
    """Return the one table of a folder."""
    tables = sorted([*source.glob("*.csv"), *source.glob("*.tsv")])
    if not tables:
        raise FileNotFoundError(
            f"{source}: the table that says which scans are of one person is missing; save that of the release as CSV "
            "and pass it with --demographics"
        )
    if len(tables) > 1:
        names = " and ".join(table.name for table in tables)
        raise ValueError(f"{source}: there must be one table, got {names}; choose one with --demographics")
    return tables[0]


def _people(table: Table, scan_column: str, subject_column: str) -> dict[int, str]:
    """Return the person of each scan by the scan's number."""
    scan = table.column(["scan", "scan id"], scan_column, required=True)
    subject = table.column(["subject", "subject id"], subject_column, required=True)
    people: dict[int, str] = {}
    problems = []
    for index, row in enumerate(table.rows):
        number = _SCAN.fullmatch(row[scan])
        if not number or not row[subject]:
            problems.append(
                f"{table.where(index)}: a scan such as KKI2009-01 and its person are needed, got {row[scan]!r} and "
                f"{row[subject]!r}; correct the row"
            )
        elif people.setdefault(int(number.group(1)), row[subject]) != row[subject]:
            problems.append(
                f"{table.where(index)}: a scan must be of one person, got {row[subject]!r} for {row[scan]!r} after "
                f"{people[int(number.group(1))]!r}; name the column with the number of 1 to 42 as scan column"
            )
    raise_problems(problems)
    return people
