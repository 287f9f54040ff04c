"""Read one DICOM series as a volume, with its slices in order and their place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.data.dicom.checks import check_geometry, check_kind
from bundle.data.dicom.files import dicom_files, require

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NOT_SCANS = ("SEG", "PR", "SR", "KO", "REG")  # what other software adds to a study

Affine = NDArray[np.float64]


@dataclass(frozen=True)
class DicomSeries:
    """A series as a volume.

    Args:
        array: voxels after rescaling, ``(columns, rows, slices)``, float32.
        affine: voxel index to millimetre, RAS+, ``(4, 4)``.
        files: files of the slices, in the order of the last axis.
        uid: SeriesInstanceUID.
        description: SeriesDescription.
    """

    array: NDArray[np.float32]
    affine: Affine
    files: tuple[Path, ...]
    uid: str
    description: str


def read_series(folder: str | Path, choice: str | None = None) -> DicomSeries:
    """Read the MR series of a folder.

    Args:
        folder: folder with the files of a series; their names and order do not matter, and other files are ignored.
        choice: where the folder holds several series, the SeriesInstanceUID of one, its SeriesNumber, or a part of its
            SeriesDescription.

    Raises:
        FileNotFoundError: When the folder does not exist.
        ValueError: When pydicom is not installed; the folder holds no series, or several to choose from; or the series
            is no MR volume: another modality, a localiser, an enhanced multi-frame image, colour, slices that overlap,
            are missing, turned to each other or sheared, or files that cannot be read.
    """
    folder = Path(folder)
    slices = _choose(_group(_headers(folder), folder), folder, choice)
    check_kind(slices, folder)
    slices = sorted(slices, key=_depth)
    check_geometry(slices, folder)
    files = tuple(Path(header.filename) for header in slices)
    array = _pixels(files, folder)
    return DicomSeries(
        array,
        series_affine(slices),
        files,
        str(slices[0].SeriesInstanceUID),
        str(slices[0].get("SeriesDescription", "")),
    )


def series_affine(slices: Sequence[Any]) -> Affine:
    """Return the affine of slices, voxel index to millimetre, RAS+.

    Args:
        slices: headers, in order of position, at least two.

    Shape:
        - output: ``(4, 4)``, for voxels ``(column, row, slice)``.

    Source:
        DICOM part 3, section C.7.6.2.1.1, equation C.7.6.2.1-1.
    """
    first, last = (np.asarray(header.ImagePositionPatient, dtype=np.float64) for header in (slices[0], slices[-1]))
    orientation = np.asarray(slices[0].ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = (float(edge) for edge in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * between_columns
    affine[:3, 1] = orientation[3:] * between_rows
    affine[:3, 2] = (last - first) / (len(slices) - 1)
    affine[:3, 3] = first
    result: Affine = _LPS_TO_RAS @ affine
    return result


def _headers(folder: Path) -> list[Any]:
    """Read the headers of all images of a folder."""
    pydicom = require("pydicom")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; pass the folder of one DICOM series")
    headers = []
    for path in dicom_files(folder):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            image = "Rows" in header and header.get("Modality") not in _NOT_SCANS
        except (pydicom.errors.InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: the DICOM header cannot be read ({_reason(error)}); copy it again") from error
        if image and "SeriesInstanceUID" not in header:
            raise ValueError(f"{path}: a DICOM image must have a SeriesInstanceUID, got none; export the series again")
        if not image and "SOPClassUID" not in header and "DirectoryRecordSequence" not in header:
            raise ValueError(f"{path}: the DICOM header cannot be read (no SOPClassUID); copy it again")
        if image:
            headers.append(header)
    return headers


def _group(headers: Sequence[Any], folder: Path) -> dict[str, list[Any]]:
    """Sort headers into series."""
    if not headers:
        raise ValueError(f"{folder}: the folder must hold the DICOM images of a series, got none")
    series: dict[str, list[Any]] = {}
    for header in headers:
        series.setdefault(str(header.SeriesInstanceUID), []).append(header)
    return series


def _choose(series: dict[str, list[Any]], folder: Path, choice: str | None) -> list[Any]:
    """Return the slices of the one series, or of the one that was chosen."""
    found = {uid: slices for uid, slices in series.items() if choice is None or _matches(slices[0], choice)}
    if len(found) == 1:
        return next(iter(found.values()))
    listed = "; ".join(
        f"{slices[0].get('SeriesNumber', '-')} {slices[0].get('SeriesDescription', '')!r} ({len(slices)} images, {uid})"
        for uid, slices in sorted(series.items(), key=lambda entry: str(entry[1][0].get("SeriesNumber", "")))
    )
    asked = "" if choice is None else f" for {choice!r}"
    raise ValueError(
        f"{folder}: one series must be chosen, got {len(found)} of {len(series)}{asked}: {listed}; choose with "
        "--series and a part of the description, the number or the UID, or give every series a folder of its own"
    )


def _matches(header: Any, choice: str) -> bool:
    """Tell whether a series is the one that was asked for."""
    exact = (str(header.SeriesInstanceUID), str(header.get("SeriesNumber", "")))
    return choice in exact or choice.lower() in str(header.get("SeriesDescription", "")).lower()


def _depth(header: Any) -> float:
    """Return how far a slice lies along its normal, in millimetres."""
    orientation = np.asarray(header.ImageOrientationPatient, dtype=np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    return float(normal @ np.asarray(header.ImagePositionPatient, dtype=np.float64))


def _pixels(files: Sequence[Path], folder: Path) -> NDArray[np.float32]:
    """Read and rescale the pixels of slices with GDCM."""
    import SimpleITK as sitk  # imported here: data sets of NIfTI files do not need it

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in files])
    reader.SetOutputPixelType(sitk.sitkFloat32)  # the slope may differ between slices
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise ValueError(
            f"{folder}: the pixels of the series cannot be read ({_reason(error)}); copy or export it again"
        ) from error
    array: NDArray[np.float32] = sitk.GetArrayFromImage(image).T
    return array


def _reason(error: BaseException) -> str:
    """Return the last line of an error's message, without the place in ITK's source."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].split("): ")[-1].strip()
