"""The grids of a cohort's images: which there are, and how many images are on each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bundle.data.checks import check_affine, spatial_shape

_DECIMALS = 3  # of mm: what two programs write for one grid differs by less


@dataclass(frozen=True)
class Grid:
    """Grid of an image.

    Args:
        shape: number of voxels along each axis.
        affine: the first three rows of the affine, in mm, rounded; without the position for slices, which lie at
            different heights.
    """

    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance of neighbouring voxels along each axis."""
        spacing = np.linalg.norm(np.array(self.affine)[:, : len(self.shape)], axis=0)
        return tuple(float(size) for size in spacing.round(_DECIMALS))

    @property
    def size(self) -> str:
        """Voxels and spacing as text, such as ``"91x109x91 voxels of 2x2x2 mm"``."""
        return f"{_times(self.shape)} voxels of {_times(self.spacing_mm)} mm"


def grid_of(image: Any, spatial_dims: int, path: str) -> Grid:
    """Return the grid of an opened file.

    Args:
        image: what nibabel has opened.
        spatial_dims: number of spatial axes that it must have.
        path: file, for messages.

    Raises:
        ValueError: When the image has channels or other axes, or an affine that places no voxels.
    """
    shape = spatial_shape(image.shape, spatial_dims, path)
    check_affine(np.asarray(image.affine), path)
    rows = np.asarray(image.affine, dtype=np.float64)[:3].round(_DECIMALS) + 0.0  # no negative zeros
    if spatial_dims == 2:
        rows[:, 3] = 0.0
    return Grid(shape, tuple(tuple(float(value) for value in row) for row in rows))


def grid_rows(grids: Iterable[tuple[str, Grid]]) -> list[dict[str, Any]]:
    """Count images by grid, the most frequent one first.

    Args:
        grids: subject and grid of each image.

    Returns:
        Rows with ``images``, ``shape``, ``spacing_mm``, ``affine`` and ``first``, the first subject.
    """
    found: dict[Grid, list[str]] = {}
    for subject, grid in grids:
        found.setdefault(grid, []).append(subject)
    return [
        {
            "images": len(subjects),
            "shape": list(grid.shape),
            "spacing_mm": list(grid.spacing_mm),
            "affine": [list(row) for row in grid.affine],
            "first": subjects[0],
        }
        for grid, subjects in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def size_rows(grids: Iterable[tuple[str, Grid]]) -> list[dict[str, Any]]:
    """Count images by number and spacing of voxels, the most frequent size first.

    Args:
        grids: subject and grid of each image.

    Returns:
        Rows with ``size``, ``images``, ``affines``, the number of different affines, and ``first``, the first subject.
    """
    found: dict[str, list[tuple[str, Grid]]] = {}
    for subject, grid in grids:
        found.setdefault(grid.size, []).append((subject, grid))
    return [
        {"size": size, "images": len(members), "affines": len({grid for _, grid in members}), "first": members[0][0]}
        for size, members in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def _times(numbers: Iterable[float]) -> str:
    """Join numbers with the sign for "by"."""
    return "x".join(f"{number:g}" for number in numbers)
