"""Bring masks in MNI space back to the grids that the subjects were scanned on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bundle.data.writer import save_nifti
from bundle.preprocessing import layout
from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.resampling import mask_to_grid
from bundle.preprocessing.subject import DONE, STATUS, Record, read_record


def restore_masks(folder: Path, output_dir: Path) -> Iterator[Path]:
    """Resample every mask of a folder to its subject's native grid, into ``output_dir/native``.

    Args:
        folder: masks in MNI space on any grid, ``<subject>*.nii.gz`` or ``.nii``; subfolders are searched.
        output_dir: folder of the preprocessed data set.

    Yields:
        Every file that was written.

    Raises:
        FileNotFoundError: When the folder holds no mask.
        ValueError: When a mask belongs to no subject that was preprocessed.
    """
    files = sorted(path for path in folder.rglob("*.nii*") if not path.name.startswith("."))
    if not files:
        raise FileNotFoundError(f"{folder}: the folder must hold masks named <subject>*.nii.gz, got none")
    names = sorted((path.stem for path in (output_dir / "provenance").glob("*.json")), key=len, reverse=True)
    for file in files:
        name = next((name for name in names if file.name.startswith(name)), None)
        record = None if name is None else read_record(output_dir, name)
        if name is None or record is None or record[STATUS] != DONE:
            raise ValueError(f"{file}: a mask must be named after a subject of {output_dir}; rename it")
        target = output_dir / "native" / file.name
        target.parent.mkdir(exist_ok=True)
        affine = np.asarray(record["native"]["affine"])
        save_nifti(nib.Nifti1Image(restore_mask(file, record, output_dir, name), affine), target)
        yield target


def restore_mask(path: Path, record: Record, output_dir: Path, name: str) -> NDArray[np.uint8]:
    """Return a mask on its subject's native grid, by nearest neighbour, in the axis order of the native file.

    Args:
        path: mask in MNI space.
        record: the subject's record.
        output_dir: folder of the preprocessed data set.
        name: the subject.
    """
    mask: Any = nib.as_closest_canonical(nib.load(path))
    image = to_sitk((np.asanyarray(mask.dataobj) > 0).astype(np.uint8), mask.affine)
    transform = sitk.ReadTransform(str(output_dir / layout.to_native_file(name)))
    native = record["native"]
    return mask_to_grid(image, transform, tuple(native["shape"]), np.asarray(native["affine"]))
