"""Smooth random fields as a few control points, so that a field is the same on every grid.

A field is a cubic B-spline over the box of the MNI grids, evaluated axis by axis. That costs less than a Gaussian
filter and lets a 4 mm and a 1 mm phantom of one subject agree.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bundle.data.phantom.atlas import BOX_FIRST_MM, BOX_LAST_MM, FloatArray, Grid

Indices = NDArray[np.intp]

_DEGREE = 3
_MARGIN_MM = 4.0  # the 1 mm grid reaches slightly over the box


def draw_controls(rng: np.random.Generator, knot_spacing_mm: float) -> FloatArray:
    """Draw standard normal control points of a smooth field.

    Args:
        rng: random generator.
        knot_spacing_mm: distance of the control points; structures are about twice as wide.

    Shape:
        - output: ``(kx, ky, kz)``.
    """
    extent_mm = BOX_LAST_MM - BOX_FIRST_MM + 2 * _MARGIN_MM
    shape = np.ceil(extent_mm / knot_spacing_mm).astype(int) + _DEGREE
    return rng.standard_normal(tuple(int(size) for size in shape), dtype=np.float32)


@lru_cache(maxsize=64)
def _basis(first_mm: float, spacing_mm: float, size: int, axis: int, n_controls: int) -> tuple[Indices, FloatArray]:
    """Return the first control point and the four weights of every voxel centre of an axis, ``(size,), (size, 4)``."""
    low, high = BOX_FIRST_MM[axis] - _MARGIN_MM, BOX_LAST_MM[axis] + _MARGIN_MM
    position = (first_mm + spacing_mm * np.arange(size) - low) * (n_controls - _DEGREE) / (high - low)
    first = np.clip(np.floor(position), 0, n_controls - _DEGREE - 1).astype(np.intp)
    t = position - first
    weights = np.stack([(1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3], axis=1)
    # unit variance: the field then has the spread of its control points everywhere
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return first, weights.astype(np.float32)


def evaluate_field(controls: FloatArray, grid: Grid) -> FloatArray:
    """Evaluate a field of unit variance on a grid.

    Args:
        controls: control points of `draw_controls`.
        grid: where to evaluate.

    Shape:
        - controls: ``(kx, ky, kz)``.
        - output: ``grid.shape``.
    """
    field = controls
    for axis in (2, 1, 0):
        first, weights = _basis(grid.origin_mm[axis], grid.spacing_mm, grid.shape[axis], axis, controls.shape[axis])
        column = [-1 if other == axis else 1 for other in range(3)]
        # four products in a fixed order: the order of a matrix product depends on the machine and its threads
        terms = (np.take(field, first + k, axis=axis) * weights[:, k].reshape(column) for k in range(_DEGREE + 1))
        field = np.asarray(sum(terms), dtype=np.float32)
    return field


def rounded(function: np.ufunc, *values: FloatArray | float) -> FloatArray:
    """Evaluate a function in double precision and round the result to float32.

    Vector units disagree in the last bit of float32 exponentials and the like; a subject must not depend on them.
    """
    return np.asarray(function(*values, dtype=np.float64), dtype=np.float32)


def rotate(matrix: NDArray[np.float64], vectors: FloatArray) -> FloatArray:
    """Multiply vectors by a matrix, in a fixed order of operations.

    Shape:
        - matrix: ``(3, 3)``.
        - vectors: ``(3, ...)``.
        - output: as ``vectors``.
    """
    rows = matrix.astype(np.float32)
    return np.stack([row[0] * vectors[0] + row[1] * vectors[1] + row[2] * vectors[2] for row in rows])


def smooth_step(values: FloatArray, low: float, high: float) -> FloatArray:
    """Rise from 0 at ``low`` to 1 at ``high`` without a kink; ``low > high`` falls instead."""
    t: NDArray[np.float32] = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)
