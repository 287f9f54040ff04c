"""Write the slices of a 2D data set, resumably.

Files are written under a temporary name and then renamed, and the datalist comes last: a folder with a datalist is
complete, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.conventions import IMAGE, MASK, SUBJECT
from bundle.data.files import file_sha256
from bundle.data.records import Entry
from bundle.data.slice_sources import SliceSource, SliceStack
from bundle.data.slices import SlicePlan, SliceSet, fit, slice_entry
from bundle.data.writer import prepare_folder, save_nifti, write_json

_DATALIST = "datalist.json"
_PLAN = "slices.json"


def write_slices(output_dir: Path, slices: SliceSet, source: SliceSource, plan: SlicePlan) -> Iterator[str]:
    """Write the chosen slices, one by one; the datalist is there once the iterator is exhausted.

    Slices whose image and mask exist already are kept.

    Args:
        output_dir: folder to write to; made where it does not exist.
        slices: what `choose_slices` chose.
        source: the source that they were chosen from.
        plan: the plan that they were chosen by.

    Yields:
        The subject of every slice.

    Raises:
        ValueError: When the folder holds slices of another source or plan.
        OSError: When the folder cannot be written to.
    """
    _prepare(output_dir, slices, source.path, plan)
    for stack in source:
        for index, label in plan.labels(stack).items():
            entry = slice_entry(stack, index, label)
            _write_slice(output_dir, entry, plan.without_background(stack.image[index]), stack, index, slices.shape)
            yield entry[SUBJECT]
    description = (
        f"slices of {source.path.name} at relative heights from {plan.rel_z[0]:g} to {plan.rel_z[1]:g}, every "
        f"{plan.every}, background up to {plan.background:g} of the maximum; pathological above a lesion share of "
        f"{plan.min_share:g} of the voxels; made by scripts.make_slices"
    )
    write_json(output_dir / _DATALIST, {"name": "FLAIR slices", "description": description, **slices.sections})


def _prepare(output_dir: Path, slices: SliceSet, source: Path, plan: SlicePlan) -> None:
    """Make the folders and note source and plan, or check that those noted are the same."""
    content: dict[str, Any] = {"source": source.name, "source_sha256": file_sha256(source), **asdict(plan)}
    noted = json.loads(json.dumps({**content, "shape": slices.shape, "slices": len(slices)}))
    prepare_folder(output_dir, noted, plan=_PLAN, datalist=_DATALIST, same="the same slices", found="some")


def _write_slice(
    output_dir: Path, entry: Entry, image: NDArray[Any], stack: SliceStack, index: int, shape: tuple[int, int]
) -> None:
    """Write image and mask of one slice where one is missing."""
    if all((output_dir / entry[key]).is_file() for key in (IMAGE, MASK)):
        return
    position = stack.affine.copy()
    position[:3, 3] += index * stack.affine[:3, 2]
    for key, array in ((IMAGE, image), (MASK, stack.mask[index].astype(np.uint8))):
        fitted, affine = fit(array, position, shape)
        file = nib.Nifti1Image(fitted, affine)
        file.header.set_xyzt_units("mm")
        save_nifti(file, output_dir / entry[key])
