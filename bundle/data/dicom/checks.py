"""Say what is wrong with a DICOM series in one line that names its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST_SLICES = 10  # a FLAIR series of thick slices has about 20; a localiser has a few in each direction
_ORIENTATION_TOLERANCE = 1.0e-3  # of direction cosines that were written with few digits
_SPACING_TOLERANCE = 0.05  # of the distance between two slices; missing ones leave twice as much
_SHEAR_DEGREES = 1.0  # registration takes volumes whose axes are orthogonal to about a degree
_GEOMETRY = ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing")
_SAME = ("Rows", "Columns", "PixelSpacing")


def check_kind(slices: Sequence[Any], folder: Path) -> None:
    """Check that images can be the slices of one MR volume, whatever their positions.

    Args:
        slices: headers of a series, in any order.
        folder: their folder, for the message.

    Raises:
        ValueError: When the modality is not MR; an image has several frames or colours, or is inverted; attributes of
            the geometry are missing; or the series is a localiser or has images of different sizes.
    """
    first = slices[0]
    what = f"{folder}: series {str(first.get('SeriesDescription', ''))!r}"
    if first.get("Modality") != "MR":
        raise ValueError(f"{what} must be MR, got the modality {first.get('Modality')!r}; pass a FLAIR series")
    if int(first.get("NumberOfFrames", 1) or 1) > 1 or "PerFrameFunctionalGroupsSequence" in first:
        raise ValueError(
            f"{what} must have one slice a file, got an enhanced image of {first.get('NumberOfFrames')} frames; "
            "convert it to NIfTI, for example with dcm2niix"
        )
    photometric = {str(header.get("PhotometricInterpretation", "")) for header in slices}
    if photometric != {"MONOCHROME2"}:
        raise ValueError(f"{what} must be MONOCHROME2, got {', '.join(sorted(photometric))}; export the original")
    if any("LOCALIZER" in (header.get("ImageType") or ()) for header in slices):
        raise ValueError(f"{what} is a localiser of {len(slices)} images; pass a FLAIR series")
    for name in _GEOMETRY:
        lacking = [Path(header.filename).name for header in slices if not header.get(name)]
        if lacking:
            raise ValueError(f"{what}: every image must have {name}, {lacking[0]} has none; export the series again")
    orientations = np.array([header.ImageOrientationPatient for header in slices], dtype=np.float64)
    if np.abs(orientations - orientations[0]).max() > _ORIENTATION_TOLERANCE:
        count = len(np.unique(orientations.round(2), axis=0))
        raise ValueError(f"{what} must have parallel slices, got {count} orientations as of a localiser; pass another")
    if len(slices) < _FEWEST_SLICES:
        raise ValueError(f"{what} must have at least {_FEWEST_SLICES} slices, got {len(slices)}; pass a whole volume")
    for name in _SAME:
        values = sorted({str(header.get(name)) for header in slices})
        if len(values) > 1:
            raise ValueError(f"{what} must have one {name}, got {' and '.join(values)}; export the series again")


def check_geometry(slices: Sequence[Any], folder: Path) -> None:
    """Check that slices lie on each other at equal distances.

    Args:
        slices: headers of a series, in the order of their positions.
        folder: their folder, for the message.

    Raises:
        ValueError: When two slices lie at one position, one is missing, or they are sheared against each other.
    """
    what = f"{folder}: series {str(slices[0].get('SeriesDescription', ''))!r}"
    positions = np.array([header.ImagePositionPatient for header in slices], dtype=np.float64)
    orientation = np.asarray(slices[0].ImageOrientationPatient, dtype=np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    gaps: NDArray[np.float64] = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    if usual < 1.0e-3 or gaps.min() < 1.0e-3:
        at = float((positions @ normal)[int(np.argmin(gaps))])
        raise ValueError(
            f"{what} must have one image a position, got several at {at:.2f} mm along the normal; a series of several "
            "echoes or time points must be split first"
        )
    odd = np.abs(gaps - usual) > _SPACING_TOLERANCE * usual
    if odd.any():
        place = int(np.argmax(odd))
        raise ValueError(
            f"{what} must have slices at equal distances of {usual:.2f} mm, got {gaps[place]:.2f} mm after slice "
            f"{place + 1} of {len(slices)}; slices are missing, export the whole series again"
        )
    step = positions[-1] - positions[0]
    angle = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1.0, 1.0))))
    if angle > _SHEAR_DEGREES:
        raise ValueError(
            f"{what} must have slices that lie straight on each other, got a shear of {angle:.1f} degrees (gantry "
            "tilt); resample it to an orthogonal grid"
        )
