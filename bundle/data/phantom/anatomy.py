"""Healthy anatomy of one subject: the template, warped.

The warp goes from the subject to the template: where a voxel of the subject lies in the template.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.data.phantom.atlas import Atlas, FloatArray, Grid
from bundle.data.phantom.fields import draw_controls, evaluate_field, rotate, rounded

_VENTRICLE_DECAY_MM = 11.0  # how far around the ventricles their enlargement is felt


@dataclass(frozen=True)
class AnatomyParameters:
    """What makes one subject's healthy anatomy.

    Args:
        linear: subject to template, rotation, scaling, shear and mirror, ``(3, 3)``.
        shift_mm: subject to template, ``(3,)``.
        broad: control points of the broad displacement, one field an axis.
        local: control points of the local displacement, one field an axis.
        broad_mm: standard deviation of the broad displacement.
        local_mm: standard deviation of the local displacement.
        ventricle_mm: how far the ventricles' walls move outwards (negative: inwards).
        ventricle_asymmetry: share of ``ventricle_mm`` that the right side gets more than the left.
        atrophy: share of the cortex's partial volume that turns into fluid (negative: fuller gyri).
        outline: control points of the skull stripping's error.
        outline_mm: depth at which the brain is cut off, mean and standard deviation.
    """

    linear: NDArray[np.float64]
    shift_mm: NDArray[np.float64]
    broad: tuple[FloatArray, FloatArray, FloatArray]
    local: tuple[FloatArray, FloatArray, FloatArray]
    broad_mm: float
    local_mm: float
    ventricle_mm: float
    ventricle_asymmetry: float
    atrophy: float
    outline: FloatArray
    outline_mm: tuple[float, float]


@dataclass(frozen=True)
class Anatomy:
    """Tissue of one subject on a grid; every array has the grid's shape.

    Args:
        grid: the grid.
        brain: inside the stripped brain.
        grey: grey matter fraction, 0 outside the brain.
        white: white matter fraction, 0 outside the brain.
        depth_mm: distance to the brain's outline, positive inside.
        ventricle_mm: distance to the ventricles, positive outside.
    """

    grid: Grid
    brain: NDArray[np.bool_]
    grey: FloatArray
    white: FloatArray
    depth_mm: FloatArray
    ventricle_mm: FloatArray

    @property
    def fluid(self) -> FloatArray:
        """Cerebrospinal fluid fraction, 0 outside the brain."""
        return np.clip(self.brain - self.grey - self.white, 0, 1)


def draw_anatomy(rng: np.random.Generator) -> AnatomyParameters:
    """Draw one subject's anatomy."""
    angles = rng.normal(0, np.deg2rad([3.0, 2.5, 3.0]))
    scales = np.exp(rng.normal(0, 0.035) + rng.normal(0, 0.035, 3))
    shears = rng.normal(0, 0.02, 3)
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    upper = np.array([[1.0, shears[0], shears[1]], [0, 1, shears[2]], [0, 0, 1]])
    linear = _rotation(angles) @ upper @ np.diag(scales * np.array([mirror, 1, 1]))
    shift_mm = rng.normal(0, [1.5, 2.0, 2.0])
    fields = [draw_controls(rng, 45.0) for _ in range(3)] + [draw_controls(rng, 18.0) for _ in range(3)]
    return AnatomyParameters(
        linear=linear,
        shift_mm=shift_mm,
        broad=(fields[0], fields[1], fields[2]),
        local=(fields[3], fields[4], fields[5]),
        broad_mm=float(rng.uniform(2.0, 4.5)),
        local_mm=float(rng.uniform(0.8, 2.0)),
        ventricle_mm=float(np.clip(rng.normal(1.5, 2.2), -2.0, 6.5)),
        ventricle_asymmetry=float(rng.normal(0, 0.2)),
        atrophy=float(rng.uniform(-0.15, 0.25)),
        outline=draw_controls(rng, 20.0),
        outline_mm=(float(rng.uniform(-1.0, 1.2)), float(rng.uniform(0.1, 0.8))),
    )


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation about x, then y, then z, by angles in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def apply_anatomy(
    parameters: AnatomyParameters, grid: Grid, atlas: Atlas, mass_mm: FloatArray | None = None
) -> Anatomy:
    """Warp the template to a subject.

    Args:
        parameters: the subject.
        grid: where to sample the subject.
        atlas: the template.
        mass_mm: displacement by which a tumour has pushed the tissue that is now at each voxel. The skull holds, so
            the brain's outline does not follow.

    Shape:
        - mass_mm: ``(3, *grid.shape)``.
    """
    points = _to_template(parameters, grid)
    depth_mm = atlas.brain_depth_mm.sample(points)
    if mass_mm is not None:
        points -= rotate(parameters.linear, mass_mm)
    _enlarge_ventricles(parameters, atlas, points)
    level_mm, spread_mm = parameters.outline_mm
    brain = depth_mm > level_mm + spread_mm * evaluate_field(parameters.outline, grid)
    grey, white = (np.where(brain, tissue.sample(points), 0) for tissue in (atlas.grey, atlas.white))
    grey, white = _shrink_tissue(grey, white, parameters.atrophy)
    return Anatomy(grid, brain, grey, white, depth_mm, atlas.ventricle_distance_mm.sample(points))


def _to_template(parameters: AnatomyParameters, grid: Grid) -> FloatArray:
    """Return where each voxel lies in the template before ventricles and mass effect, ``(3, *shape)``."""
    x, y, z = grid.axes_mm()
    points = np.empty((3, *grid.shape), np.float32)
    for axis in range(3):
        row = parameters.linear[axis].astype(np.float32)
        points[axis] = (row[0] * x)[:, None, None] + (row[1] * y)[None, :, None] + (row[2] * z)[None, None, :]
        points[axis] += np.float32(parameters.shift_mm[axis])
        points[axis] += np.float32(parameters.broad_mm) * evaluate_field(parameters.broad[axis], grid)
        points[axis] += np.float32(parameters.local_mm) * evaluate_field(parameters.local[axis], grid)
    return points


def _enlarge_ventricles(parameters: AnatomyParameters, atlas: Atlas, points: FloatArray) -> None:
    """Move positions towards the ventricles, in place, so that the ventricles grow in the subject."""
    away_mm: FloatArray = np.maximum(atlas.ventricle_distance_mm.sample(points), 0)
    side = 1 + np.float32(parameters.ventricle_asymmetry) * rounded(np.tanh, points[0] / np.float32(8))
    amount_mm = np.float32(parameters.ventricle_mm) * side * rounded(np.exp, -away_mm / np.float32(_VENTRICLE_DECAY_MM))
    shift = [amount_mm * normal.sample(points) for normal in atlas.ventricle_normal]
    for axis in range(3):
        points[axis] -= shift[axis]


def _shrink_tissue(grey: FloatArray, white: FloatArray, atrophy: float) -> tuple[FloatArray, FloatArray]:
    """Turn partial volume of tissue into fluid: sulci open where tissue and fluid mix, full tissue stays full."""
    tissue = np.clip(grey + white, 0, 1)
    factor = 1 - np.float32(4 * atrophy) * (1 - tissue)  # tissue * factor is monotone for |atrophy| <= 1/4
    return np.clip(grey * factor, 0, 1), np.clip(white * factor, 0, 1)
