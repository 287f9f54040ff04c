"""The grid that a preprocessed subject was scanned on, and the way back to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from bundle.conventions import IMAGE
from bundle.preprocessing import layout
from bundle.preprocessing.geometry import Affine
from bundle.preprocessing.subject import DONE, STATUS, read_record


@dataclass(frozen=True)
class NativeGrid:
    """A subject's native grid, in the axis order of the native file.

    Attributes:
        shape: its shape.
        affine: voxel index to millimetre, RAS+.
        transform: resamples a volume in MNI space to it.
        scan: file of the native image.
    """

    shape: tuple[int, ...]
    affine: Affine
    transform: sitk.Transform
    scan: str


def read_native_grid(folder: Path, name: str) -> NativeGrid:
    """Read a subject's native grid from a preprocessed data set.

    Args:
        folder: folder of the data set.
        name: the subject.

    Raises:
        ValueError: When the subject was not preprocessed there.
    """
    record = read_record(folder, name)
    if record is None or record.get(STATUS) != DONE:
        found = "no record" if record is None else f"the status {record.get(STATUS)!r}"
        raise ValueError(f"{folder}: {name!r} must have been preprocessed here, found {found}; run it again")
    native = record["native"]
    transform = sitk.ReadTransform(str(folder / layout.to_native_file(name)))
    return NativeGrid(tuple(native["shape"]), np.asarray(native["affine"]), transform, record["inputs"][IMAGE]["path"])
