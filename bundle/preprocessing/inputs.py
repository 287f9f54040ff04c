"""List the subjects of a file, a folder of volumes or DICOM series, a datalist or a BIDS data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.conventions import CONDITION, HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, SUBJECT, TEST
from bundle.data.cohorts.bids import read_bids
from bundle.data.dicom import find_series_folders
from bundle.data.records import Entry, load_sections
from bundle.preprocessing.volumes import SUFFIXES

BRAIN = "brain"  # key of a datalist entry: brain mask on the image's grid

_FILES = (IMAGE, MASK, BRAIN)
_NAME = re.compile(r"\w[\w.+-]*")  # what can stand in a file's name
_IMAGE_END = "_flair"
_MASK_ENDS, _BRAIN_ENDS = ("_seg", "_lesion"), ("_brain",)
_HEALTHY = "healthy"


@dataclass(frozen=True)
class Subject:
    """What is known of one subject before its files are opened.

    Args:
        entry: entry of a datalist: subject, label, paths of image, lesion mask and brain mask, and whatever else.
        section: section of the datalist.

    Raises:
        ValueError: When the subject's name cannot name a file.
    """

    entry: Entry
    section: str = TEST

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a subject's name must consist of letters, digits, '_', '.', '+' and '-', got {self.name!r}; rename it"
            )

    @property
    def name(self) -> str:
        """Identifier, which names the output files."""
        return str(self.entry[SUBJECT])

    @property
    def files(self) -> dict[str, str]:
        """Kind and path of every input file."""
        return {key: str(self.entry[key]) for key in _FILES if self.entry.get(key) is not None}

    @property
    def facts(self) -> dict[str, Any]:
        """What the entry holds beside files."""
        return {key: value for key, value in self.entry.items() if key not in _FILES}


def list_subjects(source: str | Path, condition: str = "", condition_column: str = "") -> list[Subject]:
    """List subjects without opening their images.

    Args:
        source: a volume; a folder of volumes, with ``*_flair``, ``*_seg`` or ``*_lesion`` and ``*_brain`` beside each
            other where it has such names; a folder of DICOM series, in a folder each at any depth; a datalist
            ``.json``; or a BIDS data set.
        condition: condition of all subjects of a volume, folder or BIDS data set, "healthy" or a pathology; default:
            the folder's name.
        condition_column: column of a BIDS data set's participants.tsv that tells the condition.

    Raises:
        FileNotFoundError: When the source does not exist or has no volume.
        ValueError: When it is of another kind, a name stands twice or cannot name a file, or a datalist or BIDS data
            set has problems.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder; check the path")
    if source.suffix == ".json":
        sections = load_sections(source)
        subjects = [Subject(entry, section) for section, entries in sections.items() for entry in entries]
    elif source.is_dir() and any(source.glob("sub-*/**/anat")):
        scans = read_bids(source, condition=condition, condition_column=condition_column)
        subjects = [Subject({**scan.entry(Path("/")), **_absolute(scan.image, scan.mask)}) for scan in scans]
    elif source.is_dir():
        subjects = _from_folder(source.resolve(), condition)
    elif source.name.lower().endswith(SUFFIXES):
        subjects = [_beside(source.resolve(), condition)]
    else:
        raise ValueError(f"{source}: an input must be a folder, a .json datalist or a file {', '.join(SUFFIXES)}")
    repeated = [name for name, count in Counter(subject.name for subject in subjects).items() if count > 1]
    if repeated:
        raise ValueError(f"{source}: a subject must have one image, got several of {', '.join(repeated)}; rename them")
    return subjects


def _from_folder(folder: Path, condition: str) -> list[Subject]:
    """List the volumes of a folder itself, and the DICOM series of its subfolders too."""
    series = [_from_series(path, folder, condition) for path in find_series_folders(folder)]
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES) and path.is_file())
    volumes = [path for path in found if not path.name.startswith(".")]
    if not volumes and not series:
        raise FileNotFoundError(f"{folder}: the folder must hold files {', '.join(SUFFIXES)} or DICOM, got none")
    flairs = [path for path in volumes if _stem(path).endswith(_IMAGE_END)]
    return series + [_beside(path, condition) for path in flairs or volumes]


def _from_series(folder: Path, source: Path, condition: str) -> Subject:
    """Return the subject of a DICOM series, named after its folders below the source and never after the patient."""
    parts = folder.relative_to(source).parts or (source.name,)
    name = re.sub(r"[^\w.+-]+", "-", "_".join(parts)).lstrip(".+-") or "scan"
    return Subject(_entry(name, folder, condition or source.name))


def _beside(image: Path, condition: str) -> Subject:
    """Return the subject of a volume, with the masks beside it that are named after it."""
    stem = _stem(image).removesuffix(_IMAGE_END)
    entry = _entry(stem, image, condition or image.parent.name)
    companions = {MASK: _companion(image.parent, stem, _MASK_ENDS), BRAIN: _companion(image.parent, stem, _BRAIN_ENDS)}
    return Subject({**entry, **{key: path for key, path in companions.items() if path is not None}})


def _entry(name: str, image: Path, condition: str) -> Entry:
    """Return the entry of an image."""
    return {
        SUBJECT: name,
        LABEL: HEALTHY if condition == _HEALTHY else PATHOLOGICAL,
        CONDITION: condition or "pathological",
        IMAGE: str(image),
    }


def _companion(folder: Path, stem: str, ends: Sequence[str]) -> str | None:
    """Return the first file of a folder with a stem and one of some endings."""
    found = (folder / f"{stem}{end}{suffix}" for end in ends for suffix in SUFFIXES)
    return next((str(path) for path in found if path.is_file()), None)


def _absolute(image: Path, mask: Path | None) -> Entry:
    """Return the paths of a scan, absolute."""
    return {IMAGE: str(image)} if mask is None else {IMAGE: str(image), MASK: str(mask)}


def _stem(path: Path) -> str:
    """Return a file's name without the suffix of its format."""
    return next((path.name[: -len(end)] for end in SUFFIXES if path.name.lower().endswith(end)), path.name)
