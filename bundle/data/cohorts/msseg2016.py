"""Reader of the MICCAI 2016 MS lesion segmentation challenge (MSSEG 2016).

Source: Commowick et al., Scientific Reports 8, 2018, and NeuroImage 244, 2021: 53 patients of centres 01, 03, 07 and
08, 15 for training and 38 for testing. The centres' patients are numbered anew in each of the two parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bundle.conventions import TEST, TRAINING, VALIDATION
from bundle.data.cohorts.scan import Scan, find_nifti, list_nifti, open_folder, raise_problems
from bundle.data.records import SECTIONS

VARIANTS = {"raw": ("FLAIR", "3DFLAIR"), "preprocessed": ("FLAIR_preprocessed", "3DFLAIR_preprocessed")}
_MASKS = ("Consensus", "ManualSegmentation_Consensus")
_DATA_FOLDERS = ("Raw_Data", "Preprocessed_Data")
_NUMBERED = re.compile(r"Patient_\d+", re.IGNORECASE)
_CENTRE = re.compile(r"Cent(?:er|re)_(\d+)", re.IGNORECASE)
_CODED = re.compile(r"(\d\d)\d{3}[A-Z]{4}")  # name of a case in the first release, such as 01016SACH


def read_msseg2016(source: Path, *, variant: str = "raw") -> list[Scan]:
    """Read MSSEG 2016 with the experts' consensus.

    Both releases are read: ``Training/Center_01/Patient_01/Raw_Data/FLAIR.nii.gz`` with ``Masks/Consensus.nii.gz``
    beside ``Raw_Data``, and ``TrainingDataset_MSSEG/01016SACH/3DFLAIR.nii.gz`` with ``Consensus.nii.gz`` beside it.
    Training cases may be put in training and validation, testing cases in test.

    Args:
        source: folder of the release, or of one of its parts.
        variant: ``"raw"``, or ``"preprocessed"``: denoised, registered, without skull and bias field.

    Raises:
        FileNotFoundError: When the source is not a folder or holds no such image.
        ValueError: When the variant is unknown, or an image is not in a case's folder; the message has one line for
            each.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}; correct it")
    source = open_folder(source)
    images = [image for stem in VARIANTS[variant] for image in list_nifti(source, stem)]
    if not images:
        names = " or ".join(f"{stem}.nii.gz" for stem in VARIANTS[variant])
        raise FileNotFoundError(f"{source}: the folder must hold files named {names}, got none; check the variant")
    scans, problems = [], []
    for image in sorted(images):
        try:
            scans.append(_scan(image, source))
        except ValueError as error:
            problems.append(f"{image}: {error}")
    raise_problems(problems)
    return scans


def _scan(image: Path, source: Path) -> Scan:
    """Make the scan of an image."""
    case = image.parent.parent if image.parent.name in _DATA_FOLDERS else image.parent
    coded, centre = _CODED.fullmatch(case.name), _CENTRE.fullmatch(case.parent.name)
    part, sections = _part(image.relative_to(source.parent).parts[:-1])
    if coded:
        name, site = case.name, coded.group(1)
    elif centre and _NUMBERED.fullmatch(case.name):
        name, site = "_".join([*([part] if part else []), case.parent.name, case.name]), centre.group(1)
    else:
        raise ValueError(
            f"an image must lie in Center_01/Patient_01 or in 01016SACH, got {case.parent.name}/{case.name}; unpack "
            "the release again"
        )
    return Scan(
        subject=name,
        patient=name,
        image=image,
        condition="ms",
        mask=find_nifti(case / "Masks", _MASKS) or find_nifti(case, _MASKS),
        site=f"center-{site}",
        sections=sections,
    ).of("MSSEG2016")


def _part(folders: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the part of the challenge that folders name, the innermost first, and the sections it may be put in."""
    for folder in reversed(folders):
        training, testing = ("train" in folder.casefold(), "test" in folder.casefold())
        if training != testing:
            return ("Training", (TRAINING, VALIDATION)) if training else ("Testing", (TEST,))
    return "", SECTIONS
