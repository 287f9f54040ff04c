"""Read datalist files and folders of volumes into the entries that datasets and workflows work on.

A datalist is a JSON object with the sections ``training``, ``validation`` and ``test``. A section is a list of
objects with ``subject``, ``image``, ``label`` (0 healthy, 1 pathological) and, where known, ``condition`` and
``mask``. Paths are relative to the file's folder. A subject stands in one section, once. Where several entries come
from one person, such as the slices of a volume, each has a ``subject`` of its own and all have the person's
``patient``; a patient stands in one section too.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.conventions import (
    CONDITION,
    HEALTHY,
    IMAGE,
    LABEL,
    MASK,
    PATHOLOGICAL,
    PATIENT,
    SUBJECT,
    TEST,
    TRAINING,
    VALIDATION,
)

SECTIONS = (TRAINING, VALIDATION, TEST)
_LABELS = (HEALTHY, PATHOLOGICAL)
_TEXT_KEYS = (SUBJECT, IMAGE)
_OPTIONAL_TEXT_KEYS = (CONDITION, MASK, PATIENT)
_NIFTI_SUFFIXES = (".nii.gz", ".nii")

Entry = dict[str, Any]


def load_datalist(path: str | Path, section: str) -> list[Entry]:
    """Return one section of a datalist file, after the whole file has been checked.

    Args:
        path: JSON file.
        section: ``"training"``, ``"validation"`` or ``"test"``.

    Returns:
        Entries with absolute paths. ``condition`` is filled in from the label where it is absent; ``mask`` is left
        out where it is absent.

    Raises:
        FileNotFoundError: When the file does not exist.
        ValueError: When the file is not valid JSON, or has problems; the message has one line per problem.
    """
    path = Path(path)
    return [_resolve(entry, path.parent.resolve()) for entry in _read(path, section)[section]]


def load_sections(path: str | Path) -> dict[str, list[Entry]]:
    """Return every section of a datalist file that has entries, as `load_datalist` returns one.

    Args:
        path: JSON file.

    Raises:
        FileNotFoundError: When the file does not exist.
        ValueError: When the file is not valid JSON, or has problems; the message has one line per problem.
    """
    path = Path(path)
    datalist = _read(path)
    return {
        name: [_resolve(entry, path.parent.resolve()) for entry in datalist[name]]
        for name in SECTIONS
        if datalist.get(name)
    }


def validate_datalist(datalist: Any, section: str | None = None) -> list[str]:
    """Find every problem of a datalist.

    Args:
        datalist: what the JSON file holds.
        section: section that is going to be used, which must be there and not be empty.

    Returns:
        One line per problem, empty for a valid datalist.
    """
    if not isinstance(datalist, Mapping):
        return [f"a datalist must be an object with the sections {', '.join(SECTIONS)}, got {_kind(datalist)}"]
    problems = [
        f"unknown section {name!r}; rename it to one of {', '.join(SECTIONS)}"
        for name, value in datalist.items()
        if name not in SECTIONS and isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
    ]
    if section is not None and section not in SECTIONS:
        problems.append(f"unknown section {section!r} asked for; use one of {', '.join(SECTIONS)}")
    elif section is not None and not datalist.get(section):
        problems.append(f"section {section!r} is missing or empty; list at least one image there")
    if not any(datalist.get(name) for name in SECTIONS) and section is None:
        problems.append(f"no section has an entry; add {', '.join(SECTIONS)}")
    for name in SECTIONS:
        problems += _section_problems(name, datalist.get(name, []))
    return problems + _split_problems(datalist)


def check_both_classes(path: str | Path, sections: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """Check that each of some sections has healthy and pathological images.

    Args:
        path: the datalist, for the message.
        sections: name of the section -> its entries.

    Returns:
        The entries of all sections, so that the check can stand before another one.

    Raises:
        ValueError: When a class is missing; the message has one line per section.
    """
    problems = []
    for name, entries in sections.items():
        healthy = sum(entry[LABEL] == HEALTHY for entry in entries)
        if healthy in (0, len(entries)):
            lacking = "healthy images (label 0)" if healthy == 0 else "pathological images (label 1)"
            problems.append(
                f"{path}: section {name!r} must hold healthy and pathological images, got {healthy} healthy of "
                f"{len(entries)}; add {lacking}"
            )
    if problems:
        raise ValueError("\n".join(problems))
    return [entry for entries in sections.values() for entry in entries]


def list_volumes(path: str | Path, section: str = TEST, pattern: str = "*") -> list[Entry]:
    """List the volumes of one NIfTI file, of a folder, or of a section of a datalist file.

    Args:
        path: ``.nii`` or ``.nii.gz`` file, folder of such files (subfolders are not searched), or ``.json`` datalist.
        section: section of a datalist.
        pattern: file names to take from a folder, for example ``"*_flair.nii.gz"`` where masks lie beside images.

    Returns:
        Entries with ``subject`` and ``image``; those of a datalist also hold what `load_datalist` returns. The
        subject of a file is its name without the suffix.

    Raises:
        FileNotFoundError: When the path does not exist, or the folder holds no matching volume.
        ValueError: When the path is another kind of file, two files have one subject, or the datalist has problems.
    """
    path = Path(path).expanduser()
    if path.suffix == ".json":
        return load_datalist(path, section)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; check the path")
    if path.is_file() and not path.name.endswith(_NIFTI_SUFFIXES):
        raise ValueError(f"{path}: an input must be a .nii, .nii.gz or .json file or a folder; convert it to NIfTI")
    files = [path] if path.is_file() else _nifti_files(path, pattern)
    subjects = Counter(_subject(file) for file in files)
    repeated = [subject for subject, count in subjects.items() if count > 1]
    if repeated:
        raise ValueError(
            f"{path}: a subject must have one file, got both .nii and .nii.gz of {', '.join(repeated)}; delete one"
        )
    return [{SUBJECT: _subject(file), IMAGE: str(file.resolve())} for file in files]


def _read(path: Path, section: str | None = None) -> Any:
    """Return what a datalist file holds, after all of it has been checked."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the datalist does not exist; check the path, or write it with make_cohort")
    try:
        datalist = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise ValueError(f"{path}: a datalist must be valid JSON, got {error}; correct the file") from error
    problems = validate_datalist(datalist, section)
    if problems:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return datalist


def _nifti_files(folder: Path, pattern: str) -> list[Path]:
    """List the visible NIfTI files of a folder whose names match a pattern."""
    files = sorted(
        file
        for file in folder.glob(pattern)
        if file.is_file() and file.name.endswith(_NIFTI_SUFFIXES) and not file.name.startswith(".")
    )
    if not files:
        raise FileNotFoundError(
            f"{folder}: the folder must hold .nii or .nii.gz files named {pattern!r}, got none; "
            "pass the folder that holds the volumes themselves"
        )
    return files


def _subject(file: Path) -> str:
    """Return a file's name without its NIfTI suffix."""
    return file.name.removesuffix(".gz").removesuffix(".nii")


def _resolve(entry: Mapping[str, Any], folder: Path) -> Entry:
    """Return an entry with absolute paths, its condition filled in, and no empty mask."""
    resolved = {key: value for key, value in entry.items() if value is not None}
    resolved.setdefault(CONDITION, "healthy" if entry[LABEL] == HEALTHY else "pathological")
    for key in (IMAGE, MASK):
        if key in resolved:
            resolved[key] = str(folder / resolved[key])
    return resolved


def _section_problems(name: str, section: Any) -> list[str]:
    """Find the problems within one section."""
    if not isinstance(section, list):
        return [f"section {name!r} must be a list of entries, got {_kind(section)}"]
    problems = [
        problem for index, entry in enumerate(section) for problem in _entry_problems(f"{name}[{index}]", entry)
    ]
    counts = Counter(entry[SUBJECT] for entry in section if _has_subject(entry))
    problems += [
        f"subject {subject!r} stands {count} times in section {name!r}; keep one entry per subject"
        for subject, count in counts.items()
        if count > 1
    ]
    labels = {entry.get(LABEL) for entry in section if isinstance(entry, Mapping) and _is_label(entry.get(LABEL))}
    if name == TRAINING and len(labels) == 1:
        only = "healthy" if labels == {HEALTHY} else "pathological"
        problems.append(f"section {name!r} holds one class only, label {labels.pop()} ({only}); add the other class")
    return problems


def _entry_problems(where: str, entry: Any) -> list[str]:
    """Find the problems of one entry."""
    if not isinstance(entry, Mapping):
        return [f"{where} must be an object with {SUBJECT}, {IMAGE} and {LABEL}, got {_kind(entry)}"]
    who = f"{where} ({entry[SUBJECT]})" if _has_subject(entry) else where
    problems = [f"{who} has no {key!r}; add it" for key in (*_TEXT_KEYS, LABEL) if entry.get(key) is None]
    problems += [
        f"{who}: {key!r} must be text that is not empty, got {entry[key]!r}"
        for key in (*_TEXT_KEYS, *_OPTIONAL_TEXT_KEYS)
        if entry.get(key) is not None and (not isinstance(entry[key], str) or not entry[key])
    ]
    if entry.get(LABEL) is not None and not _is_label(entry[LABEL]):
        problems.append(f"{who}: 'label' must be 0 (healthy) or 1 (pathological), got {entry[LABEL]!r}")
    return problems


def _split_problems(datalist: Mapping[str, Any]) -> list[str]:
    """Find the subjects and the patients that stand in two sections."""
    where: dict[tuple[str, str], list[str]] = {}
    for name in SECTIONS:
        section = datalist.get(name, [])
        entries = [entry for entry in section if isinstance(entry, Mapping)] if isinstance(section, list) else []
        for key in (SUBJECT, PATIENT):
            for person in {entry[key] for entry in entries if isinstance(entry.get(key), str)}:
                where.setdefault((key, person), []).append(name)
    return [
        f"{key} {person!r} stands in {' and '.join(names)}; keep every {key} in one section"
        for (key, person), names in sorted(where.items())
        if len(names) > 1
    ]


def _has_subject(entry: Any) -> bool:
    """Tell whether an entry names its subject."""
    return isinstance(entry, Mapping) and isinstance(entry.get(SUBJECT), str)


def _is_label(value: Any) -> bool:
    """Tell whether a JSON value is the number 0 or 1, and not true, 1.0 or "1"."""
    return type(value) is int and value in _LABELS


def _kind(value: Any) -> str:
    """Name the JSON kind of a value."""
    return "null" if value is None else type(value).__name__


def relative_entry(entry: Entry, folder: Path) -> Entry:
    """Return an entry with its paths relative to a folder, as a datalist in that folder has them."""
    paths = {key: os.path.relpath(entry[key], folder.resolve()) for key in (IMAGE, MASK) if key in entry}
    return {**entry, **paths}
