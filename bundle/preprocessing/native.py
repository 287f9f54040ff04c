"""Bring masks in MNI space back to the grids that the subjects were scanned on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.data.writer import save_nifti
from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.native_grid import NativeGrid, read_native_grid
from bundle.preprocessing.resampling import mask_to_grid


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
        if name is None:
            raise ValueError(f"{file}: a mask must be named after a subject of {output_dir}; rename it")
        native = read_native_grid(output_dir, name)
        target = output_dir / "native" / file.name
        target.parent.mkdir(exist_ok=True)
        save_nifti(nib.Nifti1Image(restore_mask(file, native), native.affine), target)
        yield target


def restore_mask(path: Path, native: NativeGrid) -> NDArray[np.uint8]:
    """Return a mask on its subject's native grid, by nearest neighbour.

    Args:
        path: mask in MNI space.
        native: the grid.
    """
    mask: Any = nib.as_closest_canonical(nib.load(path))
    image = to_sitk((np.asanyarray(mask.dataobj) > 0).astype(np.uint8), mask.affine)
    return mask_to_grid(image, native.transform, native.shape, native.affine)
