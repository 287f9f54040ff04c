"""Read the image and the mask of one entry, and say everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.conventions import IMAGE, LABEL, MASK, PATHOLOGICAL, SUBJECT
from bundle.data.checks import check_image_array, check_mask, check_volume
from bundle.data.cohorts.grids import Grid, grid_of

MASK_LABELS = (0, 1, 2, 4)  # binary masks, and BraTS: 1 necrosis, 2 oedema, 4 enhancing


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a datalist.

    Args:
        kind: what it is, one of :py:data:`bundle.data.cohorts.validation.KINDS`.
        message: one line that names the file.
        file: file that it is about.
        section: section of the entry; empty where it is about several.
        subject: subject of the entry; empty where it is about several.
    """

    kind: str
    message: str
    file: str
    section: str = ""
    subject: str = ""

    def line(self) -> str:
        """Return the message after the entry that it is about."""
        entry = f"{self.section} {self.subject}".strip()
        return f"{entry}: {self.message}" if entry else self.message


@dataclass(frozen=True)
class Inspection:
    """What was found in the files of one entry.

    Args:
        section: section of the entry.
        subject: its subject.
        image: its image.
        problems: what is wrong with its image and its mask.
        grid: grid of the image; ``None`` when it cannot be used.
        digest: hash of the image's voxels; empty when it cannot be used.
    """

    section: str
    subject: str
    image: str
    problems: tuple[Problem, ...] = ()
    grid: Grid | None = None
    digest: str = ""


@dataclass
class _Finder:
    """Collects the problems of one entry."""

    section: str
    subject: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, file: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, message, file, self.section, self.subject))

    def run(self, kind: str, file: str, check: Callable[[], Any]) -> Any:
        """Return what a check returns; note the problem and return ``None`` when it raises."""
        try:
            return check()
        except FileNotFoundError as error:
            self.add("missing", file, str(error))
        except (ValueError, OSError) as error:
            self.add(kind, file, str(error))
        return None


def inspect_entry(
    section: str, entry: Mapping[str, Any], spatial_dims: int = 3, mask_labels: Iterable[int] = MASK_LABELS
) -> Inspection:
    """Read the files of an entry.

    Args:
        section: section of the entry.
        entry: entry with ``image`` and perhaps ``subject``, ``label`` and ``mask``; paths are absolute.
        spatial_dims: number of spatial axes of the image.
        mask_labels: values that a mask may hold.
    """
    image, subject = str(entry[IMAGE]), str(entry.get(SUBJECT, ""))
    finder = _Finder(section, subject)
    grid, digest = finder.run("image", image, lambda: _read_image(image, spatial_dims)) or (None, "")
    if entry.get(MASK) is not None:
        _inspect_mask(finder, entry, grid, set(mask_labels))
    return Inspection(section, subject, image, tuple(finder.problems), grid, digest)


def _read_image(path: str, spatial_dims: int) -> tuple[Grid, str]:
    """Return the grid of an image and the hash of its voxels; a sound file is read once."""
    try:
        image: Any = nib.load(path)
        array = np.asanyarray(image.dataobj)
        grid = grid_of(image, spatial_dims, path)
        check_image_array(array, path)
        # In one type, so that a copy that was stored as another is found, and in the order of memory, without a copy.
        voxels: Any = np.ravel(array.astype(np.float32), order="K")
    except Exception:
        check_volume(path, spatial_dims)  # says what is wrong with which file
        raise
    return grid, f"{grid.shape} {hashlib.sha256(voxels).hexdigest()}"


def _inspect_mask(finder: _Finder, entry: Mapping[str, Any], grid: Grid | None, labels: set[int]) -> None:
    """Note what is wrong with a mask; it is not compared with an image that cannot be used."""
    path = str(entry[MASK])
    image = path if grid is None else entry[IMAGE]
    before = len(finder.problems)
    finder.run("mask", path, lambda: check_mask(path, image, entry.get(LABEL)))
    if len(finder.problems) > before:
        return
    mask: Any = nib.load(path)
    reference: Any = nib.load(image)
    array = np.asanyarray(mask.dataobj)
    values, counts = np.unique(np.rint(array[array != 0]).astype(np.int64), return_counts=True)
    odd = {int(value): int(count) for value, count in zip(values, counts) if value not in labels}
    if odd:
        found = ", ".join(f"{value} in {count} voxels" for value, count in odd.items())
        allowed = ", ".join(str(label) for label in sorted(labels))
        finder.add("mask_labels", path, f"{path}: a mask must hold the labels {allowed}, got {found}; correct them")
    if entry.get(LABEL) == PATHOLOGICAL and not len(values):
        finder.add(
            "empty_mask",
            path,
            f"{path}: the mask of a patient must have lesion voxels, got none; leave the mask or the image out",
        )
    distance = 0.0 if grid is None else _displacement_mm(grid.shape, reference.affine, mask.affine)
    if grid is not None and distance > min(grid.spacing_mm) / 2:
        finder.add(
            "mask_affine",
            path,
            f"{path}: the header must place the mask on its image ({image}), got voxels {distance:.1f} mm away; masks "
            "are laid on images by array index, so look at both, and correct the mask or its header",
        )


def _displacement_mm(shape: Sequence[int], affine: NDArray[Any], other: NDArray[Any]) -> float:
    """Return how far apart two affines place a corner voxel of an array."""
    corners = np.array(list(product(*[(0, size - 1) for size in [*shape, 1][:3]])))
    moved = nib.affines.apply_affine(affine, corners) - nib.affines.apply_affine(other, corners)
    return float(np.linalg.norm(moved, axis=1).max())
