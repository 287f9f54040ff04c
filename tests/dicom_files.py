"""DICOM series of synthetic volumes, as a scanner would export them, for tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

LPS = np.diag([-1.0, -1.0, 1.0])


def oblique_affine(spacing_mm=(3.0, 2.5, 4.0), origin_mm=(-70.0, 60.0, -40.0), degrees=(17.0, -8.0, 5.0)) -> np.ndarray:
    """Return the affine of oblique slices, RAS+; rows run to the left and columns to the back, as a scanner's do."""
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = LPS @ x @ y @ z @ np.diag(spacing_mm)
    affine[:3, 3] = origin_mm
    return affine


def write_series(
    folder: Path,
    array: np.ndarray,
    affine: np.ndarray,
    *,
    seed: int = 0,
    description: str = "AX FLAIR",
    number: int = 5,
    skip: Iterable[int] = (),
    slope: Callable[[int], float] = lambda index: 1.0,
    change: Callable[[Any, int], None] = lambda dataset, index: None,
    prefix: str = "IM",
) -> list[Path]:
    """Write a volume ``(columns, rows, slices)`` as a series, one slice a file, under shuffled names.

    Args:
        folder: folder, made where it does not exist.
        array: voxels; stored as integers after division by the slope.
        affine: voxel index to millimetre, RAS+.
        seed: seed of names and instance numbers.
        description: SeriesDescription.
        number: SeriesNumber.
        skip: slices that are not written.
        slope: slice -> RescaleSlope.
        change: called with every dataset before it is written.
        prefix: what file names begin with.

    Returns:
        The files, in the order of the array's slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(seed).permutation(array.shape[2])
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    lps = LPS @ affine[:3]
    files = []
    for index in range(array.shape[2]):
        if index in set(skip):
            continue
        d = pydicom.Dataset()
        d.SOPClassUID, d.SOPInstanceUID = MRImageStorage, generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "Phantom^Synthetic", "P1", "", ""
        d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber = "20240102", "101500", "1", ""
        d.ReferringPhysicianName, d.Manufacturer, d.PositionReferenceIndicator = "", "Synthetic", ""
        d.Modality, d.SeriesNumber, d.InstanceNumber = "MR", number, int(order[index]) + 1
        d.SeriesDescription, d.ImageType = description, ["ORIGINAL", "PRIMARY", "M", "ND"]
        d.Rows, d.Columns = array.shape[1], array.shape[0]
        d.PixelSpacing = [_text(np.linalg.norm(lps[:, 1])), _text(np.linalg.norm(lps[:, 0]))]
        directions = lps[:, :2] / np.linalg.norm(lps[:, :2], axis=0)
        d.ImageOrientationPatient = [_text(value) for value in directions.T.ravel()]
        d.ImagePositionPatient = [_text(value) for value in lps[:, 3] + index * lps[:, 2]]
        d.SliceThickness = _text(np.linalg.norm(lps[:, 2]))
        d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, "MONOCHROME2", 0
        d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
        d.RescaleSlope, d.RescaleIntercept = _text(slope(index)), "0"
        d.PixelData = np.rint(array[:, :, index].T / slope(index)).astype("<u2").tobytes()
        change(d, index)
        d.file_meta = FileMetaDataset()
        d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = d.SOPClassUID, d.SOPInstanceUID
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        files.append(folder / f"{prefix}{order[index]:04d}")
        d.save_as(files[-1], enforce_file_format=True)
    return files


def _text(value: float) -> str:
    """Return a decimal string of at most 16 characters."""
    return f"{value:.10g}"[:16]
