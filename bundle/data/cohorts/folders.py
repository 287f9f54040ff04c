"""Reader of one folder for each condition."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.data.cohorts.conditions import name_condition
from bundle.data.cohorts.scan import (
    Scan,
    find_nifti,
    list_nifti,
    nifti_stem,
    open_folder,
    raise_problems,
)

MASK_SUFFIXES = ("_seg", "_lesion", "_mask")


def read_folders(
    source: Path,
    *,
    image_suffix: str = "_flair",
    mask_suffix: Sequence[str] = MASK_SUFFIXES,
    conditions: Mapping[str, str] | None = None,
    patient_pattern: str = "",
    dataset: str = "",
) -> list[Scan]:
    """Read folders of FLAIR volumes with their lesion masks beside them.

    ``SOURCE/ms/a_flair.nii.gz`` with ``SOURCE/ms/a_seg.nii.gz`` is subject ``a`` with the condition ``ms``. Folders in
    the folders are searched too; files that are named by the suffix alone, such as ``ms/a/flair.nii.gz`` for the suffix
    ``flair``, take their folder's name. A source that holds images itself is one condition.

    Args:
        source: folder of the conditions' folders, or one of these.
        image_suffix: how an image's name ends, without ``.nii.gz``.
        mask_suffix: how a mask's name may end, the first that exists is taken.
        conditions: conditions by name of the folder.
        patient_pattern: regular expression that finds the person in a subject, for example ``"sub-[0-9]+"``; default:
            every subject is a person.
        dataset: name of the data set, put in front of subjects and patients; default: the source's name, in front of
            nothing.

    Raises:
        FileNotFoundError: When the source is not a folder or holds no such image.
        ValueError: When a folder has volumes but no image, its name seems to mean healthy and is not, or a subject does
            not hold the pattern; the message has one line for each.
    """
    source = open_folder(source)
    person = _pattern(patient_pattern)
    scans, problems = [], []
    for folder, images in _images_by_folder(source, image_suffix, mask_suffix).items():
        if not images and list_nifti(folder):
            problems.append(f"{folder}: the folder has volumes, none named *{image_suffix}.nii.gz; rename or move them")
        for image in images:
            name = nifti_stem(image).removesuffix(image_suffix)
            subject = name or image.parent.name
            try:
                scan = Scan(
                    subject=subject,
                    patient=_patient(subject, person),
                    image=image,
                    condition=name_condition(folder.name, conditions or {}),
                    mask=find_nifti(image.parent, [f"{name}{suffix}" for suffix in mask_suffix]),
                    dataset=source.name,
                )
            except ValueError as error:
                problems.append(f"{image}: {error}")
            else:
                scans.append(scan if not dataset else scan.of(dataset))
    raise_problems(problems)
    return scans


def _images_by_folder(source: Path, suffix: str, mask_suffix: Sequence[str]) -> dict[Path, list[Path]]:
    """Return the images of each condition's folder."""
    found = list_nifti(source, f"*{suffix}")
    images = [image for image in found if not nifti_stem(image).endswith(tuple(mask_suffix))]
    direct = [image for image in images if image.parent == source]
    if not images:
        raise FileNotFoundError(
            f"{source}: the folder must hold folders with files named *{suffix}.nii.gz, got none; "
            "check the path, or say how the names end with --image_suffix"
        )
    if direct and len(direct) < len(images):
        raise ValueError(
            f"{source}: images must lie in the folder or in folders of it, got {direct[0].name} beside folders; "
            "move it into the folder of its condition"
        )
    folders = [source] if direct else sorted(path for path in source.iterdir() if path.is_dir() and path.name[0] != ".")
    return {folder: [image for image in images if folder in image.parents] for folder in folders}


def _pattern(pattern: str) -> re.Pattern[str]:
    """Compile the pattern that finds a person in a subject; an empty one finds all of it."""
    try:
        return re.compile(pattern or ".+")
    except re.error as error:
        raise ValueError(f"a pattern must be a regular expression, got {pattern!r} ({error}); correct it") from error


def _patient(subject: str, pattern: re.Pattern[str]) -> str:
    """Return the part of a subject that names the person."""
    match = pattern.search(subject)
    if not match:
        raise ValueError(
            f"subject {subject!r} must hold the pattern {pattern.pattern!r}; rename it or change the pattern"
        )
    return match.group(0)
