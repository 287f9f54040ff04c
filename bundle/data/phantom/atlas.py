"""The healthy template that every phantom is warped from, and the grids that phantoms are sampled on.

Coordinates are millimetres in MNI space (RAS+). The maps are the ICBM 2009 symmetric tissue maps that nilearn ships
(1 mm), so nothing is downloaded. They are loaded once per process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]

# The box that all grids cover, mm: the MNI152 2 mm grid reaches from FIRST to LAST voxel centre.
BOX_FIRST_MM = np.array([-90.0, -126.0, -72.0])
BOX_LAST_MM = np.array([90.0, 90.0, 108.0])
# Central cerebrospinal fluid, mm: lateral and third ventricles lie in this box and at least this deep in the brain.
_VENTRICLE_BOX_MM = ((-36.0, 36.0), (-52.0, 38.0), (-8.0, 34.0))
_VENTRICLE_DEPTH_MM = 20.0
_SDF_STEP_MM = 2  # step of the grid on which distances are kept


@dataclass(frozen=True)
class Grid:
    """A voxel grid in MNI space, RAS+ and axis aligned.

    Args:
        shape: number of voxels along x, y, z.
        spacing_mm: edge of the cubic voxels.
        origin_mm: position of the centre of voxel (0, 0, 0).
    """

    shape: tuple[int, int, int]
    spacing_mm: float
    origin_mm: tuple[float, float, float]

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel index to millimetre, ``(4, 4)``."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    def axes_mm(self) -> list[FloatArray]:
        """Voxel centres along x, y and z."""
        return [
            (first + self.spacing_mm * np.arange(size)).astype(np.float32)
            for first, size in zip(self.origin_mm, self.shape, strict=True)
        ]


def make_grid(spacing_mm: float) -> Grid:
    """Return the MNI152 grid of a spacing: 182x218x182 at 1 mm, 91x109x91 at 2 mm, the same box at any other.

    Args:
        spacing_mm: edge of the voxels.

    Raises:
        ValueError: When the spacing is not between 1 and 12 mm.
    """
    if not 1.0 <= spacing_mm <= 12.0:
        raise ValueError(f"spacing_mm must be from 1 to 12, got {spacing_mm}. The documented grids are 1 and 2 mm.")
    if spacing_mm == 1.0:  # one voxel more on each axis than the 2 mm box: MNI152 1 mm reoriented to RAS+
        return Grid((182, 218, 182), 1.0, (-91.0, -126.0, -72.0))
    shape = np.floor((BOX_LAST_MM - BOX_FIRST_MM) / spacing_mm + 1e-6).astype(int) + 1
    x, y, z = (float(value) for value in BOX_FIRST_MM)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), float(spacing_mm), (x, y, z))


@dataclass(frozen=True)
class Volume:
    """A scalar map in MNI space that can be read at any position.

    Args:
        data: values, ``(X, Y, Z)``.
        spacing_mm: edge of the voxels.
        origin_mm: centre of voxel (0, 0, 0).
    """

    data: FloatArray
    spacing_mm: float
    origin_mm: NDArray[np.float64]

    def sample(self, points_mm: FloatArray) -> FloatArray:
        """Read the map linearly at positions ``(3, ...)``; beyond its border the nearest value holds."""
        index = points_mm - self.origin_mm.astype(np.float32).reshape([3] + [1] * (points_mm.ndim - 1))
        if self.spacing_mm != 1.0:
            index /= np.float32(self.spacing_mm)
        return ndimage.map_coordinates(self.data, index, order=1, mode="nearest", output=np.float32)


@dataclass(frozen=True)
class Atlas:
    """Maps of the template brain.

    Args:
        grey: grey matter fraction.
        white: white matter fraction.
        brain_depth_mm: signed distance to the brain's outline, positive inside.
        ventricle_distance_mm: signed distance to the lateral and third ventricles, positive outside.
        ventricle_normal: unit vectors that point away from the ventricles, one map an axis.
    """

    grey: Volume
    white: Volume
    brain_depth_mm: Volume
    ventricle_distance_mm: Volume
    ventricle_normal: tuple[Volume, Volume, Volume]


def _signed_distance_mm(inside: NDArray[np.bool_], spacing_mm: float) -> FloatArray:
    """Return the distance to the border of a set, positive inside."""
    signed = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    signed = (signed - np.where(inside, 0.5, -0.5)) * spacing_mm
    return signed.astype(np.float32)


def _ventricles(fluid: FloatArray, depth_mm: FloatArray, origin_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the central cerebrospinal fluid, on the grid of the distance maps."""
    box = np.zeros(fluid.shape, bool)
    (x0, x1), (y0, y1), (z0, z1) = (
        (int((low - first) / _SDF_STEP_MM), int((high - first) / _SDF_STEP_MM))
        for (low, high), first in zip(_VENTRICLE_BOX_MM, origin_mm, strict=True)
    )
    box[x0:x1, y0:y1, z0:z1] = True
    components, _ = ndimage.label((fluid > 0.5) & box & (depth_mm > _VENTRICLE_DEPTH_MM))
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return np.isin(components, np.flatnonzero(sizes > 60))


@lru_cache(maxsize=4)
def load_atlas(spacing_mm: float) -> Atlas:
    """Load the template, blurred to the partial volume of a grid's voxels.

    Args:
        spacing_mm: spacing of the grid that will be sampled.
    """
    # imported here because inference, which imports bundle.data too, has no need of nilearn
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template

    image = load_mni152_gm_template(resolution=1)
    origin_mm = np.asarray(image.affine[:3, 3], dtype=np.float64)
    grey = _array(image)
    white = _array(load_mni152_wm_template(resolution=1))
    brain = ndimage.binary_fill_holes(_array(load_mni152_brain_mask(resolution=1)) > 0)
    step = _SDF_STEP_MM
    coarse = (slice(None, None, step),) * 3
    depth_mm = _signed_distance_mm(brain[coarse], step)
    fluid = np.clip(brain - grey - white, 0, 1).astype(np.float32)[coarse]
    away_mm = -_signed_distance_mm(_ventricles(fluid, depth_mm, origin_mm), step)
    gradient = np.gradient(ndimage.gaussian_filter(away_mm, 3.0 / step))
    norm = np.sqrt(sum(part**2 for part in gradient)) + 0.1
    normal_x, normal_y, normal_z = (
        Volume((part / norm).astype(np.float32), float(step), origin_mm) for part in gradient
    )
    sigma = 0.4 * spacing_mm if spacing_mm > 1 else 0.0  # a cubic voxel averages over its own edge
    if sigma:
        grey, white = (ndimage.gaussian_filter(tissue, sigma) for tissue in (grey, white))
    return Atlas(
        grey=Volume(grey, 1.0, origin_mm),
        white=Volume(white, 1.0, origin_mm),
        brain_depth_mm=Volume(ndimage.gaussian_filter(depth_mm, 1.0 / step), float(step), origin_mm),
        ventricle_distance_mm=Volume(ndimage.gaussian_filter(away_mm, 1.0 / step), float(step), origin_mm),
        ventricle_normal=(normal_x, normal_y, normal_z),
    )


def _array(image: Any) -> FloatArray:
    """Return a NIfTI image's values as float32."""
    return np.asarray(image.dataobj, dtype=np.float32)
