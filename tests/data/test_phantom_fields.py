from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import BSpline

from bundle.data.phantom.atlas import BOX_FIRST_MM, BOX_LAST_MM, make_grid
from bundle.data.phantom.fields import draw_controls, evaluate_field, rotate, rounded, smooth_step


def test_field_is_the_same_on_every_grid_and_smooth():
    controls = draw_controls(np.random.default_rng(0), 20.0)
    fine, coarse = (evaluate_field(controls, make_grid(spacing_mm)) for spacing_mm in (2, 4))
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=1e-5)
    assert np.abs(np.diff(coarse, axis=0)).max() < 1.5  # per 4 mm, one fifth of a knot


def test_field_is_scipys_spline():
    controls = draw_controls(np.random.default_rng(1), 25.0)
    grid = make_grid(6.0)
    bases = []
    for axis, size in enumerate(controls.shape):
        low, high = BOX_FIRST_MM[axis] - 4, BOX_LAST_MM[axis] + 4
        knots = low + (high - low) / (size - 3) * np.arange(-3, size + 1)
        basis = BSpline.design_matrix(grid.axes_mm()[axis].astype(float), knots, 3).toarray()
        bases.append(basis / np.linalg.norm(basis, axis=1, keepdims=True))  # unit variance
    expected = np.einsum("xi,yj,zk,ijk->xyz", *bases, controls.astype(float), optimize=True)
    np.testing.assert_allclose(evaluate_field(controls, grid), expected, atol=1e-5)


def test_rotate():
    rng = np.random.default_rng(0)
    matrix, vectors = rng.standard_normal((3, 3)), rng.standard_normal((3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(rotate(matrix, vectors), np.einsum("ij,jxy->ixy", matrix, vectors), rtol=1e-4, atol=1e-6)


def test_rounded_is_the_nearest_float():
    values = np.linspace(-5, 5, 1001, dtype=np.float32)
    np.testing.assert_array_equal(rounded(np.exp, values), [np.float32(math.exp(value)) for value in values])


def test_smooth_step():
    values = np.array([-1, 0, 0.5, 1, 2], np.float32)
    np.testing.assert_allclose(smooth_step(values, 0, 1), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smooth_step(values, 1, 0), [1, 1, 0.5, 0, 0])
