"""Where 2D slices come from: an archive of slices, or the volumes of a datalist, one patient's slices at a time."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from monai.transforms import Compose, LoadImaged, Orientationd
from numpy.typing import NDArray

from bundle.conventions import CONDITION, HEALTHY, IMAGE, LABEL, MASK, PATIENT, SUBJECT
from bundle.data.checks import check_mask
from bundle.data.records import load_sections
from bundle.data.transforms import LoadFlaird, MatchMaskGridd

_NPZ_KEYS = (IMAGE, MASK, PATIENT, "rel_z")
_READ_ERRORS = (BadZipFile, OSError, EOFError, ValueError, KeyError, zlib.error)  # whatever NumPy lets through


@dataclass(frozen=True)
class SliceStack:
    """Axial slices of one image of a patient.

    Attributes:
        subject: identifier of the image.
        patient: identifier of the person.
        condition: what the patient has.
        section: section of the datalist that the image stands in; None where no split was made yet.
        image: voxels, ``(N, X, Y)``; x runs along the left-right axis and y towards anterior.
        mask: lesion mask, ``(N, X, Y)``, bool.
        rel_z: height of each slice, ``(N,)``; 0 is the bottom of the head or brain and 1 its top.
        affine: voxel index (x, y, n) to millimetre, ``(4, 4)``.
    """

    subject: str
    patient: str
    condition: str
    section: str | None
    image: NDArray[Any]
    mask: NDArray[np.bool_]
    rel_z: NDArray[np.floating[Any]]
    affine: NDArray[np.float64]


class SliceSource(ABC):
    """Stacks of slices that can be gone through several times, one in memory at a time."""

    path: Path
    """File that messages name."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[SliceStack]: ...


class NpzSlices(SliceSource):
    """Slices of an ``.npz`` archive.

    The archive gives no voxel size: 1 mm is taken, so millilitres of its slices are nominal.

    Args:
        path: archive with ``image`` and ``mask`` (rows from anterior to posterior, columns from the patient's right to
            left), ``patient`` and ``rel_z``, see `SliceStack`.

    Shape:
        - image, mask: ``(N, rows, columns)``.
        - patient, rel_z: ``(N,)``.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file cannot be read, lacks a key, its shapes do not belong together, or a voxel is not
            finite.
    """

    affine = np.diag([-1.0, 1.0, 1.0, 1.0])

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arrays = _read_npz(path)
        image, mask = self.arrays[IMAGE], self.arrays[MASK]
        count = (len(image),) if image.ndim == 3 else None
        if mask.shape != image.shape or any(self.arrays[key].shape != count for key in (PATIENT, "rel_z")):
            shapes = ", ".join(f"{key} {self.arrays[key].shape}" for key in _NPZ_KEYS)
            raise ValueError(
                f"{path}: shapes must be (N, rows, columns) for image and mask and (N,) for patient and rel_z, "
                f"got {shapes}; write the archive again"
            )
        if not np.isfinite(image).all():
            raise ValueError(f"{path}: voxels must be finite, got NaN or infinite ones in 'image'; replace them by 0")

    @cached_property
    def patients(self) -> list[str]:
        """Patients in order of appearance."""
        return list(dict.fromkeys(str(patient) for patient in self.arrays[PATIENT]))

    def __len__(self) -> int:
        return len(self.patients)

    def __iter__(self) -> Iterator[SliceStack]:
        for patient in self.patients:
            members = np.flatnonzero(self.arrays[PATIENT].astype(str) == patient)
            image, mask = (self.arrays[key][members, ::-1].transpose(0, 2, 1) for key in (IMAGE, MASK))
            rel_z = self.arrays["rel_z"][members]
            yield SliceStack(patient, patient, "pathological", None, image, mask > 0, rel_z, self.affine)


class VolumeSlices(SliceSource):
    """Axial slices of the volumes of a datalist, in RAS+ orientation.

    Args:
        path: datalist file; ``patient`` of an entry is its ``subject`` where absent.
        conditions: conditions to take; all when empty.

    Raises:
        FileNotFoundError: When the datalist or one of its files does not exist.
        ValueError: When the datalist has problems or no volume of a condition, or, while reading, when a volume or
            mask does, or a pathological volume has no mask.
    """

    def __init__(self, path: Path, conditions: Sequence[str] = ()) -> None:
        self.path = path
        entries = [(section, entry) for section, part in load_sections(path).items() for entry in part]
        found = {entry[CONDITION] for _, entry in entries}
        if absent := sorted(set(conditions) - found):
            raise ValueError(
                f"{path}: every condition asked for must have volumes, got none of {', '.join(absent)}; "
                f"choose among {', '.join(sorted(found))}"
            )
        taken = set(conditions) or found
        self.entries = [(section, entry) for section, entry in entries if entry[CONDITION] in taken]
        for _, entry in self.entries:
            if entry[LABEL] != HEALTHY and MASK not in entry:
                raise ValueError(
                    f"{path}: a pathological volume must have a mask to tell its slices apart, got none for "
                    f"{entry[SUBJECT]}; add 'mask' or leave the volume out"
                )
        self.load = Compose(
            [
                LoadFlaird(IMAGE),
                LoadImaged(MASK, ensure_channel_first=True, allow_missing_keys=True),
                MatchMaskGridd(MASK, allow_missing_keys=True),
                Orientationd((IMAGE, MASK), axcodes="RAS", labels=None, allow_missing_keys=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[SliceStack]:
        for section, entry in self.entries:
            if MASK in entry:
                check_mask(entry[MASK], entry[IMAGE], entry[LABEL])
            volumes: Any = self.load(entry)
            image, affine = (array.cpu().numpy() for array in (volumes[IMAGE][0], volumes[IMAGE].affine))
            mask = volumes[MASK][0].cpu().numpy() > 0 if MASK in volumes else np.zeros(image.shape, bool)
            image, mask = (np.moveaxis(np.asarray(array), 2, 0) for array in (image, mask))
            subject: str = entry[SUBJECT]
            patient: str = entry.get(PATIENT, subject)
            yield SliceStack(subject, patient, entry[CONDITION], section, image, mask, relative_height(image), affine)


def open_slices(path: Path, conditions: Sequence[str] = ()) -> SliceSource:
    """Open an archive of slices or a datalist of volumes.

    Args:
        path: ``.npz`` archive or ``.json`` datalist.
        conditions: conditions to take from a datalist; all when empty.

    Raises:
        FileNotFoundError: When the file does not exist.
        ValueError: When the file is of another kind or has problems, or an archive is asked for conditions.
    """
    if path.suffix == ".json":
        return VolumeSlices(path, conditions)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: slices come from an .npz archive or a .json datalist; write one with scripts.cohort")
    if conditions:
        raise ValueError(
            f"{path}: an archive of slices has no conditions, got {', '.join(conditions)}; leave --condition out"
        )
    return NpzSlices(path)


def relative_height(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the height of each slice between the lowest, 0, and the highest, 1, that have non-zero voxels.

    Args:
        image: slices from bottom to top, not all of them zero.

    Shape:
        - image: ``(N, X, Y)``.
        - output: ``(N,)``; below 0 or above 1 outside the head or brain.
    """
    occupied = np.flatnonzero((image != 0).any(axis=(1, 2)))
    return (np.arange(len(image)) - occupied[0]) / max(occupied[-1] - occupied[0], 1)


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive that are needed."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the file does not exist; check the path")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            lacking = [key for key in _NPZ_KEYS if key not in archive]
            arrays = {key: archive[key] for key in _NPZ_KEYS if not lacking}
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a readable .npz archive ({reason}); copy or write it again") from error
    if lacking:
        raise ValueError(
            f"{path}: an archive of slices must hold {', '.join(_NPZ_KEYS)}, got no {' and no '.join(lacking)}; "
            "write the archive again"
        )
    return arrays
