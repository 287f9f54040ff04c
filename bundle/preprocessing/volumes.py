"""Read volumes of several file formats, with messages that name the file."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from bundle.data.checks import check_affine, check_image_array, spatial_shape
from bundle.data.dicom import read_series
from bundle.preprocessing.geometry import Affine, sitk_affine, sitk_array, to_sitk

FloatArray = NDArray[np.float32]

_READ_ERRORS = (ImageFileError, OSError, EOFError, ValueError, zlib.error)  # whatever nibabel lets through
_WHOLE_NUMBER_TOLERANCE = 1.0e-3  # masks stored as scaled integers come back with rounding errors


@dataclass(frozen=True)
class Volume:
    """A volume in RAS+ order.

    Args:
        array: voxels, ``(X, Y, Z)``, float32.
        affine: voxel index to millimetre, ``(4, 4)``.
        stored_shape: shape in the file, before axes were ordered and flipped.
        stored_affine: affine in the file.
    """

    array: FloatArray
    affine: Affine
    stored_shape: tuple[int, ...]
    stored_affine: Affine

    def image(self, array: NDArray[Any] | None = None) -> sitk.Image:
        """Return the volume, or another array on its grid, as SimpleITK image."""
        return to_sitk(self.array if array is None else array, self.affine)


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Read a FLAIR volume and reorient it to RAS+.

    Args:
        path: a file of `SUFFIXES`, or the folder of a DICOM series.
        series: which series of a folder with several, see :py:func:`bundle.data.dicom.read_series`.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is of another format, cannot be read to its end, is not one single-channel volume with
            orthogonal axes, or has voxels that are not finite or all the same; also for what makes a DICOM series no
            volume.
    """
    array, affine = _read_dicom(Path(path), series) if Path(path).is_dir() else _read(path)
    array = array.reshape(spatial_shape(array.shape, 3, path))
    check_affine(affine, path)
    check_image_array(array, path)
    try:
        to_sitk(np.zeros((1, 1, 1), np.uint8), affine)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    turned, turned_affine = _canonical(array.astype(np.float32), affine)
    return Volume(turned, turned_affine, array.shape, affine)


def read_mask(path: str | Path, volume: Volume) -> NDArray[np.uint8]:
    """Read a mask and lay it on its volume by array index, because some public masks carry a wrong affine.

    Args:
        path: a file of `SUFFIXES`.
        volume: the volume that the mask belongs to.

    Returns:
        1 where the mask is above 0, in the volume's RAS+ order.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it cannot be read, is on another grid, or holds something else than whole numbers from 0.
    """
    array, _ = _read(path)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.shape != volume.stored_shape:
        raise ValueError(
            f"{path}: a mask must have its image's shape {volume.stored_shape}, got {array.shape}; "
            "resample the mask to the image's grid"
        )
    odd = ~((array >= 0) & (np.abs(array - np.rint(array)) <= _WHOLE_NUMBER_TOLERANCE))  # NaN is odd too
    if odd.any():
        raise ValueError(
            f"{path}: a mask must hold whole numbers from 0 (outside), got {float(array[odd].flat[0]):g}; "
            "binarise it, or resample it with nearest-neighbour interpolation"
        )
    return _canonical((array > 0.5).astype(np.uint8), volume.stored_affine)[0]


def _read(path: str | Path) -> tuple[NDArray[Any], Affine]:
    """Read a file with the reader of its suffix."""
    path = Path(path)
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise ValueError(f"{path}: a volume must be a file of the kind {', '.join(SUFFIXES)}; convert it to NIfTI")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the file does not exist; check the path")
    try:
        array, affine = _READERS[suffix](path)
    except (*_READ_ERRORS, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{path}: the file is truncated, damaged or not what its name says ({lines[-1]}); copy it again from its "
            "source"
        ) from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: voxels must be real numbers, got {array.dtype}; convert the image to greyscale")
    return array, affine


def _read_dicom(folder: Path, series: str | None) -> tuple[NDArray[Any], Affine]:
    found = read_series(folder, series)
    return found.array, found.affine


def _read_nifti(path: Path) -> tuple[NDArray[Any], Affine]:
    image: Any = nib.load(path)
    return np.asanyarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)


def _read_itk(path: Path) -> tuple[NDArray[Any], Affine]:
    image = sitk.ReadImage(str(path))
    array = sitk_array(image)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() > 1:
        components = image.GetNumberOfComponentsPerPixel()
        return array.T.reshape((*image.GetSize(), *([components] if components > 1 else []))), np.eye(4)
    return array, sitk_affine(image)


# Readers by suffix: voxels (X, Y, Z), and the affine to RAS+ millimetres. Another format is one more entry.
_READERS: dict[str, Callable[[Path], tuple[NDArray[Any], Affine]]] = {
    ".nii.gz": _read_nifti,
    ".nii": _read_nifti,
    ".mha": _read_itk,
}
SUFFIXES = tuple(_READERS)


def _canonical(array: NDArray[Any], affine: Affine) -> tuple[Any, Affine]:
    """Return an array with its axes in RAS+ order, and its affine."""
    turned: Any = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asanyarray(turned.dataobj), np.asarray(turned.affine, dtype=np.float64)
