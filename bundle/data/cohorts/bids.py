"""Reader of a BIDS data set with FLAIR images, such as MPI-Leipzig Mind-Brain-Body (LEMON) or IBC.

Source: Gorgolewski et al., Scientific Data 3, 2016: ``sub-XX[/ses-YY]/anat/sub-XX[_ses-YY][_KEY-VALUE]_FLAIR.nii.gz``,
and ``participants.tsv`` with the column ``participant_id``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bundle.data.cohorts.conditions import name_condition
from bundle.data.cohorts.rows import read_table
from bundle.data.cohorts.scan import Scan, list_nifti, nifti_stem, open_folder, raise_problems

_MASK_ONLY = ("label", "desc", "space", "res")  # entities of a mask that its image need not have
_SITES = ("site", "center", "centre", "scanner")


def read_bids(
    source: Path,
    *,
    condition: str = "",
    condition_column: str = "",
    conditions: Mapping[str, str] | None = None,
    site_column: str = "",
    entities: Mapping[str, str] | None = None,
    dataset: str = "",
) -> list[Scan]:
    """Read a BIDS data set.

    Every FLAIR image of every session is a scan of its participant. A lesion mask is a file in ``derivatives`` for the
    same participant and session whose name ends in ``_mask`` and holds the word lesion, such as
    ``sub-01_label-lesion_mask.nii.gz``.

    Args:
        source: root of the data set.
        condition: condition of all participants.
        condition_column: column of participants.tsv that tells the condition instead.
        conditions: conditions by value of that column.
        site_column: column of participants.tsv with the site; default: ``site``, ``center`` or ``scanner``, if there.
        entities: take only images with these entities, for example ``{"acq": "lowres"}``.
        dataset: name of the data set, put in front of subjects and patients; default: the root's name.

    Raises:
        FileNotFoundError: When the root is not a folder or holds no such image, or there is no participants.tsv.
        ValueError: When neither or both of a condition and a column are given, or a participant cannot be used; the
            message has one line for each.
    """
    source = open_folder(source)
    dataset = dataset or re.sub(r"[^\w.+-]+", "-", source.name)  # subjects name files
    images = [image for image in _images(source) if (entities or {}).items() <= _entities(image).items()]
    if not images:
        wanted = "".join(f"_{key}-{value}" for key, value in (entities or {}).items())
        raise FileNotFoundError(
            f"{source}: a BIDS data set must hold sub-XX/anat/sub-XX{wanted}_FLAIR.nii.gz or the like, got none; "
            "pass the folder that holds the folders sub-XX"
        )
    people = _participants(source, condition, condition_column, conditions or {}, site_column)
    scans, problems = [], []
    for image in images:
        try:
            scans.append(_scan(source, image, dataset, condition, people))
        except ValueError as error:
            problems.append(f"{image}: {error}")
    raise_problems(problems)
    return scans


def _scan(source: Path, image: Path, dataset: str, condition: str, people: Mapping[str, tuple[str, str]]) -> Scan:
    """Make the scan of an image."""
    person = f"sub-{_entities(image).get('sub', '')}"
    if person not in image.relative_to(source).parts:
        raise ValueError(f"an image of {person} must lie in the folder {person}; move or rename it")
    if not (condition or person in people):
        raise ValueError(f"{person} must have a row in participants.tsv; add it or remove the folder")
    known, site = people.get(person, (condition, ""))
    if not known:
        raise ValueError(f"{person} must have a condition in participants.tsv, got an empty value; fill it in")
    return Scan(
        subject=nifti_stem(image).removesuffix("_FLAIR"),
        patient=person,
        image=image,
        condition=known,
        mask=_mask(source, image),
        site=site,
    ).of(dataset)


def _images(source: Path) -> list[Path]:
    """List the FLAIR images of the raw data."""
    folders = sorted(folder for folder in source.glob("sub-*") if folder.is_dir())
    return [image for folder in folders for image in list_nifti(folder, "*_FLAIR") if image.parent.name == "anat"]


def _entities(path: Path) -> dict[str, str]:
    """Return the key-value pairs of a BIDS name."""
    pairs = (part.partition("-") for part in nifti_stem(path).split("_"))
    return {key: value for key, dash, value in pairs if dash}


def _participants(
    source: Path, condition: str, column: str, names: Mapping[str, str], site_column: str
) -> dict[str, tuple[str, str]]:
    """Return the condition and the site of every participant; nothing when the table is not needed and not there."""
    path = source / "participants.tsv"
    if condition and column:
        raise ValueError(f"the condition must be given once, got {condition!r} and column {column!r}; leave one out")
    if condition and not site_column and not path.is_file():
        return {}
    table = read_table(path)
    if not condition and not column:
        raise ValueError(
            f"{path}: the condition must be known, got columns {', '.join(table.columns)}; name one with "
            "--condition_column, or give all participants one --condition"
        )
    person, site = table.column(["participant_id"], required=True), table.column(_SITES, site_column)
    column = table.column([], column) if not condition else ""
    people, problems = {}, []
    for index, row in enumerate(table.rows):
        try:
            known = condition or name_condition(row[column], names)
            people[f"sub-{row[person].removeprefix('sub-')}"] = known, row[site] if site else ""
        except ValueError as error:
            problems.append(f"{table.where(index)}: {error}")
    raise_problems(problems)
    return people


def _mask(source: Path, image: Path) -> Path | None:
    """Return the lesion mask of an image."""
    wanted = _entities(image)
    masks = []
    for folder in sorted(source.glob(f"derivatives/*/{image.parent.relative_to(source).as_posix()}")):
        for file in list_nifti(folder, "*_mask"):
            own = {key: value for key, value in _entities(file).items() if key not in _MASK_ONLY}
            if "lesion" in file.name and own.items() <= wanted.items():
                masks.append(file)
    if len(masks) > 1:
        raise ValueError(
            f"an image must have one lesion mask, got {' and '.join(mask.name for mask in masks)}; keep one"
        )
    return masks[0] if masks else None
