"""Reader of the BraTS training data, 2017 to 2020.

Source: Menze et al., IEEE TMI 34, 2015; Bakas et al., Scientific Data 4, 2017 and arXiv:1811.02629. Up to 2019 the
cases lie in ``HGG`` and ``LGG``, in 2020 side by side; ``name_mapping.csv`` gives a case's grade and its names in
earlier years.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bundle.data.cohorts.rows import read_table
from bundle.data.cohorts.scan import Scan, find_nifti, list_nifti, nifti_stem, open_folder

_CASE = re.compile(r"(brats(\d\d)_.+)_flair", re.IGNORECASE)
_SITE = re.compile(r"brats(?:17|18|19)_([A-Za-z0-9]+)_.+", re.IGNORECASE)  # later names tell no hospital
_GRADES = ("HGG", "LGG")


def read_brats(source: Path) -> list[Scan]:
    """Read BraTS cases: ``*_flair.nii.gz`` with ``*_seg.nii.gz`` beside it.

    A case's person is its earliest name in ``name_mapping.csv``, so that lists that combine two years keep a person
    in one section. Cases without a segmentation, as in the validation data, have no mask.

    Args:
        source: folder of the release, or of some of its cases.

    Raises:
        FileNotFoundError: When the source is not a folder or holds no case.
        ValueError: When a ``name_mapping.csv`` cannot be read.
    """
    source = open_folder(source)
    images = [image for image in list_nifti(source, "*_flair") if _CASE.fullmatch(nifti_stem(image))]
    if not images:
        raise FileNotFoundError(
            f"{source}: the folder must hold files named BraTS20_Training_001_flair.nii.gz or the like, got none"
        )
    mapping = _name_mapping(source)
    scans = []
    for image in images:
        case = nifti_stem(image).removesuffix("_flair")
        row = mapping.get(case, {})
        earlier = [name for column, name in sorted(row.items()) if _is_case_column(column) and name]
        folders = [part for part in image.relative_to(source.parent).parts if part in _GRADES]
        sites = [match.group(1) for name in [case, *earlier] if (match := _SITE.fullmatch(name))]
        scans.append(
            Scan(
                subject=case,
                patient=earlier[0] if earlier else case,
                image=image,
                condition="tumour",
                mask=_segmentation(image, case),
                dataset=f"BraTS20{case[5:7]}",
                site=sites[0] if sites else "",
                group=folders[0] if folders else row.get("Grade", ""),
            )
        )
    return scans


def _name_mapping(source: Path) -> dict[str, Mapping[str, str]]:
    """Return the row of each case in the tables that come with the data."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(source.rglob("name_mapping.csv")):
        table = read_table(path)
        table.column(["Grade"], required=True)
        for row in table.rows:
            found |= {name: row for column, name in row.items() if _is_case_column(column) and name}
    return found


def _is_case_column(column: str) -> bool:
    """Tell whether a column of name_mapping.csv holds the cases of a year."""
    return re.fullmatch(r"BraTS_20\d\d_subject_ID", column) is not None


def _segmentation(image: Path, case: str) -> Path | None:
    """Return a case's segmentation; BraTS20_Training_355 has one under a name of its own, W39_1998.09.19_Segm."""
    mask = find_nifti(image.parent, [f"{case}_seg"])
    if mask is None and image.parent.name == case:
        others = list_nifti(image.parent, "*_Segm")
        return others[0] if len(others) == 1 else None
    return mask
