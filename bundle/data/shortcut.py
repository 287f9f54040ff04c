"""Datalists of the shortcut experiment: slices whose scanner is tied to the class, and a test section without the tie.

A scanner is tied to a person, so only slices of the person's own class keep the tie: slices without lesion of a patient
are left out. Both datalists of a tie share training and validation; ``broken`` has the test slices of the same persons
as they are where scanner and class are independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.conventions import LABEL, PATIENT, SUBJECT, TEST
from bundle.data.records import SECTIONS, Entry, load_sections, relative_entry

TIED, BROKEN = "datalist.json", "broken.json"
_PREFIX = "tie_"


def tie_name(strength: float) -> str:
    """Return the name of a tie: ``tie_0``, ``tie_05`` for 0.5, ``tie_1``."""
    return _PREFIX + f"{strength:g}".replace(".", "")


def tie_strength(name: str) -> float:
    """Return the strength of a tie from its name.

    Raises:
        ValueError: When it is no such name.
    """
    digits = name.removeprefix(_PREFIX)
    if not name.startswith(_PREFIX) or not digits.isdecimal():
        raise ValueError(f"a tie must be named like tie_0, tie_05 or tie_1, got {name!r}")
    return float(f"{digits[0]}.{digits[1:] or '0'}")


def shortcut_datalists(cohort: Path, tied: Path, broken: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the two datalists of a tie by the names of their files, with paths relative to their folder.

    Args:
        cohort: datalist of the volumes, which tells the class of a person.
        tied: datalist of the slices of these volumes.
        broken: datalist of the slices of the same subjects without a tie.
        folder: folder of the two datalists.

    Raises:
        FileNotFoundError: When one of the files does not exist.
        ValueError: When one has problems, a slice is of a person that the cohort lacks, or the two test sections are
            not of the same slices.
    """
    labels = {entry[SUBJECT]: entry[LABEL] for part in load_sections(cohort).values() for entry in part}
    sections = _of_own_class(tied, labels)
    test = _of_own_class(broken, labels).get(TEST, [])
    known = [{(entry[SUBJECT], entry[LABEL]) for entry in part} for part in (sections.get(TEST, []), test)]
    if not known[0] or known[0] != known[1]:
        differing = sorted(subject for subject, _ in known[0] ^ known[1])
        raise ValueError(
            f"{broken}: the test section must be of the slices of {tied}, got {len(known[1])} for {len(known[0])}"
            + (f", such as {differing[0]} in one alone" if differing else "")
            + "; make both with the same seed, counts and slice options"
        )
    made = {TIED: sections, BROKEN: {**sections, TEST: test}}
    return {
        file: {name: [relative_entry(entry, folder) for entry in parts[name]] for name in SECTIONS if name in parts}
        for file, parts in made.items()
    }


def _of_own_class(path: Path, labels: Mapping[str, int]) -> dict[str, list[Entry]]:
    """Return the slices of each section whose class is that of the person."""
    sections = load_sections(path)
    for entry in (entry for part in sections.values() for entry in part):
        if entry.get(PATIENT) not in labels:
            raise ValueError(f"{path}: every slice must be of a person of the cohort, got {entry.get(PATIENT)!r}")
    return {
        name: [entry for entry in part if entry[LABEL] == labels[entry[PATIENT]]] for name, part in sections.items()
    }
