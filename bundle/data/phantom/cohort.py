"""A cohort of synthetic subjects as files: images, lesion masks and the datalist that splits them.

Files are written under a temporary name and then renamed, and the datalist comes last: a cohort with a datalist is
complete, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bundle.conventions import CONDITION, IMAGE, LABEL, MASK, SUBJECT, TEST, TRAINING, VALIDATION
from bundle.data.phantom.acquisition import SIGNATURE_GAIN, check_strength
from bundle.data.phantom.atlas import make_grid
from bundle.data.phantom.subject import CONDITIONS, condition_label, make_subject, subject_scanner
from bundle.data.splits import split_subjects
from bundle.data.writer import prepare_folder, save_nifti, write_json

GENERATOR_VERSION = 1  # raised when the same seed makes other images
FRACTIONS = {TRAINING: 0.7, VALIDATION: 0.1, TEST: 0.2}
_DATALIST = "datalist.json"
_PLAN = "cohort.json"


@dataclass(frozen=True)
class CohortPlan:
    """What a cohort consists of.

    Args:
        counts: number of subjects of each condition.
        spacing_mm: spacing of the MNI grid.
        seed: seed of the subjects and of the split.
        scanner_signature: probability with which the scanner equals the class, 0 (independent) to 1.
        signature_gain: relative amplitude of what scanner 1 leaves in the image, 0 to 1.
        fractions: share of training, validation and test within each condition.

    Raises:
        ValueError: When a count is negative or of an unknown condition, there is no subject at all, or the spacing,
            seed, signature or its gain is out of range.
    """

    counts: Mapping[str, int]
    spacing_mm: float = 2.0
    seed: int = 0
    scanner_signature: float = 0.0
    signature_gain: float = SIGNATURE_GAIN
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(FRACTIONS))

    def __post_init__(self) -> None:
        for condition, count in self.counts.items():
            condition_label(condition)
            if count < 0:
                raise ValueError(f"the number of {condition} subjects must not be negative, got {count}.")
        if not any(self.counts.values()):
            raise ValueError("a cohort must have subjects, got 0 of every condition. Ask for at least 3 of one.")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}.")
        check_strength(self.scanner_signature)
        if not 0.0 <= self.signature_gain <= 1.0:
            raise ValueError(f"signature_gain must be from 0 to 1, got {self.signature_gain}.")
        make_grid(self.spacing_mm)
        self.split()

    def subjects(self) -> list[tuple[str, int, str]]:
        """Return identifier, index and condition of every subject, condition by condition."""
        conditions = [name for name in CONDITIONS for _ in range(self.counts.get(name, 0))]
        return [(f"sub-{index + 1:04d}", index, condition) for index, condition in enumerate(conditions)]

    def split(self) -> dict[str, list[str]]:
        """Return the identifiers of each section of the datalist."""
        subjects = self.subjects()
        names, strata = [name for name, _, _ in subjects], [condition for _, _, condition in subjects]
        return split_subjects(names, strata, self.fractions, self.seed)

    def datalist(self) -> dict[str, Any]:
        """Return the datalist's content; paths are relative to its folder, ``scanner`` is 0 or 1."""
        entries = {
            name: {
                **_entry(name, condition),
                "scanner": subject_scanner(self.seed, index, condition, self.scanner_signature),
            }
            for name, index, condition in self.subjects()
        }
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        sections = {section: [entries[name] for name in names] for section, names in self.split().items()}
        return {
            "name": "Synthetic FLAIR cohort",
            "description": f"{counts}; seed {self.seed}, scanner signature {self.scanner_signature:g}; made by "
            f"scripts.make_cohort, generator version {GENERATOR_VERSION}",
            "grid_spacing_mm": [self.spacing_mm] * 3,
            **sections,
        }


def _entry(subject: str, condition: str) -> dict[str, Any]:
    """Return one entry of the datalist."""
    return {
        SUBJECT: subject,
        IMAGE: f"images/{subject}_flair.nii.gz",
        LABEL: condition_label(condition),
        CONDITION: condition,
        MASK: f"masks/{subject}_lesion.nii.gz",
    }


def write_cohort(output_dir: Path, plan: CohortPlan, workers: int = 1) -> Iterator[str]:
    """Write a cohort, subject by subject; the datalist is there once the iterator is exhausted.

    Subjects whose image and mask exist already are kept.

    Args:
        output_dir: folder to write to; made where it does not exist.
        plan: the cohort.
        workers: number of processes. The result does not depend on it.

    Yields:
        The identifier of every subject, in order of completion.

    Raises:
        ValueError: When ``workers`` is below 1, or the folder holds a cohort of another plan.
        OSError: When the folder cannot be written to.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    _prepare(output_dir, plan)
    missing = []
    for subject, index, condition in plan.subjects():
        entry = _entry(subject, condition)
        if (output_dir / entry[IMAGE]).is_file() and (output_dir / entry[MASK]).is_file():
            yield subject
        else:
            missing.append((output_dir, plan, subject, index, condition))
    if workers == 1 or len(missing) < 2:
        yield from map(_write_subject, missing)
    else:
        # spawn: the parent may have started threads, which a forked child cannot use
        with ProcessPoolExecutor(min(workers, len(missing)), mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(_write_subject, task) for task in missing]):
                yield done.result()
    write_json(output_dir / _DATALIST, plan.datalist())


def _prepare(output_dir: Path, plan: CohortPlan) -> None:
    """Make the folders and note the plan, or check that the noted plan is the same."""
    noted = {"generator_version": GENERATOR_VERSION, **asdict(plan), "counts": dict(plan.counts)}
    prepare_folder(output_dir, noted, plan=_PLAN, datalist=_DATALIST, same="the same cohort", found="one")


def _write_subject(task: tuple[Path, CohortPlan, str, int, str]) -> str:
    """Make and write one subject."""
    output_dir, plan, name, index, condition = task
    subject = make_subject(
        plan.seed,
        index,
        condition,
        spacing_mm=plan.spacing_mm,
        scanner_signature=plan.scanner_signature,
        signature_gain=plan.signature_gain,
    )
    entry = _entry(name, condition)
    for path, array in ((entry[IMAGE], subject.image.astype(np.int16)), (entry[MASK], subject.mask)):
        image = nib.Nifti1Image(array, subject.affine)
        image.header.set_xyzt_units("mm")
        image.set_sform(subject.affine, code="mni")
        image.set_qform(subject.affine, code="mni")
        save_nifti(image, output_dir / path)
    return name
