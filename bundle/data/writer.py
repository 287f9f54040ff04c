"""Write volumes and records whole, and data sets so that they can be resumed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
from monai.config import PathLike
from monai.data import NibabelWriter

from bundle.data.files import write_text_atomically, written_whole


class AtomicNibabelWriter(NibabelWriter):
    """Write under a temporary name in the same folder, then rename.

    A killed run or a full disk leaves no half-written result behind. Use it in a config with
    ``SaveImaged(..., writer="bundle.data.AtomicNibabelWriter")``.
    """

    def write(self, filename: PathLike, verbose: bool = False, **obj_kwargs: Any) -> None:
        """Write the volume.

        Args:
            filename: ``.nii`` or ``.nii.gz`` file to write or to replace.
            verbose: whether to log the file.
            obj_kwargs: passed on to MONAI's writer.

        Raises:
            OSError: When the folder cannot be written; nothing is left there.
        """
        path = Path(filename)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
            part = Path(folder) / path.name  # the same suffix, because it selects the format
            super().write(part, verbose=verbose, **obj_kwargs)
            os.replace(part, path)


def save_nifti(image: nib.Nifti1Image, path: Path) -> None:
    """Save an image under a temporary name beside its own, then rename it."""
    with written_whole(path) as part:
        nib.save(image, part)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file in one step."""
    write_text_atomically(path, json.dumps(content, indent=4) + "\n")


def prepare_folder(
    output_dir: Path, noted: Mapping[str, Any], *, plan: str, datalist: str, same: str, found: str
) -> None:
    """Make the folders of a resumable data set and note its plan, or check that the noted plan is the same.

    Args:
        output_dir: folder of the data set.
        noted: the plan, as JSON reads it back.
        plan: name of the file that notes it.
        datalist: name of the file that is written last.
        same: what the folder may hold, for the message, such as ``"the same cohort"``.
        found: what was found there instead, such as ``"one"``.

    Raises:
        ValueError: When the folder was made from another plan, or has a datalist without a plan.
    """
    path = output_dir / plan
    if path.is_file():
        before = json.loads(path.read_text())
        other = [key for key in noted if before.get(key) != noted[key]]
        if other:
            differences = ", ".join(f"{key} {before.get(key)} instead of {noted[key]}" for key in other)
            raise ValueError(
                f"{output_dir} must be empty or hold {same}, found {found} with {differences}. "
                "Choose another folder or delete this one."
            )
    elif (output_dir / datalist).is_file():
        raise ValueError(
            f"{output_dir} must be empty or hold {same}, found a {datalist} without {plan}. Choose another folder."
        )
    for folder in ("images", "masks"):
        (output_dir / folder).mkdir(parents=True, exist_ok=True)
    write_json(path, noted)
