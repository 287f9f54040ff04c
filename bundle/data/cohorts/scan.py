"""One scan as a reader finds it, and the file names that readers share.

The names of persons stay those of the data set, so that a list can be compared with its source. A data set whose names
are not unique in the world, such as ``sub-01``, puts its own name in front.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.conventions import CONDITION, HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, PATIENT, SUBJECT
from bundle.data.records import SECTIONS, Entry

HEALTHY_CONDITION = "healthy"
NIFTI_SUFFIXES = (".nii.gz", ".nii")

# Keys of an entry that only cohorts use: their texts are empty where nothing is known.
DATASET = "dataset"  # name of the data set
SITE = "site"  # hospital or scanner
GROUP = "group"  # finer than the condition: tumour grade, course of the disease


@dataclass(frozen=True)
class Scan:
    """One FLAIR image of a person.

    Args:
        subject: identifier of the image, unique in the cohort.
        patient: identifier of the person, the same for all of a person's scans.
        image: FLAIR file.
        condition: ``"healthy"``, or the name of a pathology.
        mask: expert lesion mask; ``None`` where nobody annotated.
        dataset: name of the data set.
        site: hospital or scanner; empty where it is not known.
        group: what is finer than the condition, such as a tumour's grade; empty where it is not known.
        sections: sections of a datalist that the scan may be put in.
    """

    subject: str
    patient: str
    image: Path
    condition: str
    mask: Path | None = None
    dataset: str = ""
    site: str = ""
    group: str = ""
    sections: tuple[str, ...] = SECTIONS

    @property
    def label(self) -> int:
        """HEALTHY or PATHOLOGICAL."""
        return HEALTHY if self.condition == HEALTHY_CONDITION else PATHOLOGICAL

    def of(self, dataset: str) -> Scan:
        """Return the scan with a data set's name, also in front of its subject and its patient."""
        return replace(self, dataset=dataset, subject=f"{dataset}_{self.subject}", patient=f"{dataset}_{self.patient}")

    def entry(self, folder: Path) -> Entry:
        """Return the scan as the entry of a datalist that lies in a folder.

        All entries have the same keys but for ``mask``, because a batch is collated by the keys of its first entry.
        """
        entry: Entry = {
            SUBJECT: self.subject,
            PATIENT: self.patient,
            IMAGE: os.path.relpath(self.image, folder),
            LABEL: self.label,
            CONDITION: self.condition,
            DATASET: self.dataset,
            SITE: self.site,
            GROUP: self.group,
        }
        return entry if self.mask is None else {**entry, MASK: os.path.relpath(self.mask, folder)}


def nifti_stem(path: Path) -> str:
    """Return a file's name without its NIfTI suffix."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def list_nifti(folder: Path, pattern: str = "*") -> list[Path]:
    """List the visible NIfTI files of a folder and the folders in it, sorted by path.

    Links whose target is missing are listed too: a file that was not downloaded is a problem to report, not a scan to
    forget.

    Args:
        folder: folder to search.
        pattern: what the names without suffix match, for example ``"*_flair"``.
    """
    files = {file for suffix in NIFTI_SUFFIXES for file in folder.rglob(f"{pattern}{suffix}") if not file.is_dir()}
    return sorted(file for file in files if not any(part[0] == "." for part in file.relative_to(folder).parts))


def find_nifti(folder: Path, stems: Iterable[str]) -> Path | None:
    """Return the first of some files that is in a folder, named without their NIfTI suffix."""
    files = (folder / f"{stem}{suffix}" for stem in stems for suffix in NIFTI_SUFFIXES)
    return next((file for file in files if os.path.lexists(file)), None)


def open_folder(source: Path) -> Path:
    """Return the absolute path of a source that is a folder; links stay links.

    Raises:
        FileNotFoundError: When it does not exist or is a file.
    """
    if not source.is_dir():
        kind = "a file" if source.exists() else "nothing"
        raise FileNotFoundError(f"{source}: this reader needs a folder, found {kind}; unpack the data set and check it")
    return Path(os.path.abspath(source))


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one error with a line for each problem, if there is any.

    Raises:
        ValueError: When there is a problem.
    """
    if problems:
        raise ValueError("\n".join(problems))


def check_unique(scans: Iterable[Scan]) -> None:
    """Check that no two scans have one subject.

    Raises:
        ValueError: When two have; the message has one line for each pair.
    """
    first: dict[str, Scan] = {}
    problems = []
    for scan in scans:
        other = first.setdefault(scan.subject, scan)
        if other is not scan:
            problems.append(
                f"{scan.image}: subject {scan.subject!r} is also that of {other.image}; rename or remove one, or give "
                "one of the data sets a name with --dataset"
            )
    raise_problems(problems)
