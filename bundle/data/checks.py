"""Say what is wrong with a volume or a mask before a workflow starts, in one line that names the file.

Every file is read once. The same rules serve whole files (`check_volume`, `check_mask`) and arrays that a transform
has already loaded (`check_image_array`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from bundle.conventions import HEALTHY

_READ_ERRORS = (ImageFileError, OSError, EOFError, ValueError, zlib.error)  # whatever nibabel lets through
_WHOLE_NUMBER_TOLERANCE = 1.0e-3  # masks stored as scaled integers come back with rounding errors


def check_volume(path: str | Path, spatial_dims: int = 3) -> None:
    """Check that a file holds one FLAIR volume that the model can be given.

    Args:
        path: NIfTI file.
        spatial_dims: number of spatial axes, 3 for volumes and 2 for slices. Trailing axes of length 1 are accepted.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file cannot be read to its end, has several channels or the wrong number of axes, an
            affine that places no voxels, non-finite voxels, or the same value everywhere.
    """
    image = _open(path)
    spatial_shape(image.shape, spatial_dims, path)
    check_affine(np.asarray(image.affine), path)
    check_image_array(_read(image, path), path)


def check_mask(path: str | Path, image_path: str | Path, label: int | None = None) -> None:
    """Check that a file holds an expert lesion mask of an image.

    Masks hold 0 outside lesions and whole numbers above 0 inside. Only the shape is compared with the image, because
    some public masks carry a wrong affine; see :py:class:`bundle.data.MatchMaskGridd`.

    Args:
        path: NIfTI file of the mask.
        image_path: NIfTI file of the image; only its header is read.
        label: the image's label; a healthy image must have an empty mask.

    Raises:
        FileNotFoundError: When one of the files does not exist.
        ValueError: When the shapes differ, a voxel is not finite, negative or not a whole number, or the mask of a
            healthy image has lesion voxels.
    """
    mask, image = _open(path), _open(image_path)
    shape, expected = drop_trailing(mask.shape, 2), drop_trailing(image.shape, 2)
    if shape != expected:
        raise ValueError(
            f"{path}: a mask must have its image's shape {expected} ({image_path}), got {shape}; "
            "resample the mask to the image's grid"
        )
    array = _read(mask, path)
    _check_finite(array, path)
    _check_whole_numbers(array, path)
    lesion_voxels = int(np.count_nonzero(array))
    if label == HEALTHY and lesion_voxels:
        raise ValueError(
            f"{path}: the mask of a healthy image must be empty, got {lesion_voxels} lesion voxels; "
            "set the label to 1 or leave the mask out"
        )


def check_image_array(array: NDArray[Any], path: str | Path) -> None:
    """Check the voxels of a FLAIR image, whatever its layout.

    Args:
        array: voxels.
        path: file that the voxels came from, for the message.

    Raises:
        ValueError: When a voxel is not finite, or all voxels have one value.
    """
    _check_finite(array, path)
    low, high = float(array.min()), float(array.max())
    if low == high == 0:
        raise ValueError(f"{path}: an image must not be empty, all voxels are 0; export the volume again")
    if low == high:
        raise ValueError(f"{path}: an image must have contrast, all voxels are {low:g}; export the volume again")


def check_affine(affine: NDArray[Any], path: str | Path) -> None:
    """Check that an affine places every voxel at a position of its own.

    Args:
        affine: voxel index to millimetre.
        path: file that the affine came from, for the message.

    Shape:
        - affine: ``(4, 4)``.

    Raises:
        ValueError: When an entry is not finite, or a voxel has no extent along an axis.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(
            f"{path}: the header must give a voxel size along three axes, got the affine "
            f"{affine[:3].round(3).tolist()}; convert the volume from DICOM again"
        )


def spatial_shape(shape: Sequence[int], spatial_dims: int, path: str | Path) -> tuple[int, ...]:
    """Return the spatial shape of a file's array, without trailing axes of length 1.

    Args:
        shape: shape of the array in the file.
        spatial_dims: number of spatial axes that it must have.
        path: file, for the message.

    Raises:
        ValueError: When the array has several channels, or more or fewer axes, or only one voxel along an axis.
    """
    found = drop_trailing(shape, spatial_dims)
    what = f"{path}: an image must have {spatial_dims} spatial axes of at least 2 voxels and one channel"
    if len(found) == spatial_dims + 1:
        raise ValueError(f"{what}, got {found[-1]} channels in shape {found}; extract the FLAIR channel first")
    if len(found) != spatial_dims or min(found) < 2:
        raise ValueError(f"{what}, got shape {found}; pass a {spatial_dims}D FLAIR image")
    return found


def drop_trailing(shape: Sequence[int], keep: int) -> tuple[int, ...]:
    """Drop trailing axes of length 1 beyond the first ``keep``.

    Args:
        shape: shape of an array.
        keep: number of leading axes that stay whatever their length.
    """
    sizes = list(shape)
    while len(sizes) > keep and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)


def _open(path: str | Path) -> Any:
    """Read a NIfTI header."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: the file does not exist; check the path")
    try:
        return nib.load(path)
    except _READ_ERRORS as error:
        raise ValueError(f"{path}: not a readable NIfTI file ({_reason(error)}); convert or copy it again") from error


def _read(image: Any, path: str | Path) -> NDArray[Any]:
    """Read all voxels of an opened file."""
    try:
        array = np.asanyarray(image.dataobj)
    except _READ_ERRORS as error:
        raise ValueError(
            f"{path}: the file is truncated or damaged ({_reason(error)}); copy it again from its source"
        ) from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: voxels must be real numbers, got {array.dtype}; convert the image to greyscale")
    return array


def _reason(error: BaseException) -> str:
    """Return an error's message on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _check_finite(array: NDArray[Any], path: str | Path) -> None:
    """Raise where a voxel is NaN or infinite."""
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        count = int(array.size - np.count_nonzero(finite))
        first = tuple(int(index) for index in np.unravel_index(int(np.argmin(finite)), array.shape))
        raise ValueError(
            f"{path}: voxels must be finite, got {count} NaN or infinite, the first at {first}; "
            "replace them, for example by 0 outside the brain"
        )


def _check_whole_numbers(array: NDArray[Any], path: str | Path) -> None:
    """Raise where a mask is negative or between two whole numbers."""
    odd = (array < 0) | (np.abs(array - np.rint(array)) > _WHOLE_NUMBER_TOLERANCE) if array.dtype.kind != "b" else array
    if array.dtype.kind != "b" and odd.any():
        raise ValueError(
            f"{path}: a mask must hold whole numbers from 0 (outside), got {float(array[odd].flat[0]):g}; "
            "binarise it, or resample it with nearest-neighbour interpolation"
        )
