from __future__ import annotations

import numpy as np
import pytest

from bundle.data.grid import MODEL_ORIGIN_MM, MODEL_SHAPE, MODEL_SPACING_MM
from bundle.data.phantom.atlas import Volume, load_atlas, make_grid


@pytest.mark.parametrize(
    ("spacing_mm", "shape", "origin_mm"),
    [
        pytest.param(1.0, (182, 218, 182), (-91, -126, -72), id="mni152_1mm"),
        pytest.param(2.0, (91, 109, 91), (-90, -126, -72), id="mni152_2mm"),
        pytest.param(4.0, (46, 55, 46), (-90, -126, -72), id="coarse"),
    ],
)
def test_grids(spacing_mm, shape, origin_mm):
    grid = make_grid(spacing_mm)
    assert grid.shape == shape
    np.testing.assert_array_equal(np.diag(grid.affine), [spacing_mm] * 3 + [1])
    np.testing.assert_array_equal(grid.affine[:3, 3], origin_mm)
    for axis, centres in enumerate(grid.axes_mm()):
        last = grid.affine @ np.append(np.array(shape) - 1, 1)
        assert centres[0] == origin_mm[axis] and centres[-1] == last[axis]


def test_default_grid_is_the_models():
    grid = make_grid(2)
    assert (grid.shape, grid.spacing_mm) == (tuple(MODEL_SHAPE), MODEL_SPACING_MM)
    assert grid.origin_mm == tuple(MODEL_ORIGIN_MM)


@pytest.mark.parametrize("spacing_mm", [0.5, -2, 13])
def test_spacing_out_of_range(spacing_mm):
    with pytest.raises(ValueError, match=f"from 1 to 12, got {spacing_mm}"):
        make_grid(spacing_mm)


def test_volume_reads_a_linear_map_exactly():
    # values x + 2y - 3z at voxel centres of a 2 mm grid that starts at (1, 0, -4) mm
    index = np.stack(np.meshgrid(*[np.arange(5.0)] * 3, indexing="ij"))
    position = 2 * index + np.array([1, 0, -4]).reshape(3, 1, 1, 1)
    data = (position * np.array([1, 2, -3]).reshape(3, 1, 1, 1)).sum(axis=0).astype(np.float32)
    points = np.array([[1.5, 3.0, 9.0], [0.5, 7.0, 8.0], [-3.0, 0.0, 4.0]], np.float32)
    read = Volume(data, 2.0, np.array([1.0, 0, -4])).sample(points)
    np.testing.assert_allclose(read, points[0] + 2 * points[1] - 3 * points[2], atol=1e-5)


def test_atlas_is_a_brain():
    atlas = load_atlas(4.0)
    white, ventricle, air = ((28, -20, 24), (-9, 8, 18), (0, 90, 100))  # mm
    points = np.array([white, ventricle, air], np.float32).T
    assert atlas.white.sample(points)[0] > 0.9 > 0.1 > atlas.white.sample(points)[2]
    away_mm = atlas.ventricle_distance_mm.sample(points)
    assert away_mm[1] < 0 < away_mm[0] < away_mm[2]
    depth_mm = atlas.brain_depth_mm.sample(points)
    assert depth_mm[0] > 20 and depth_mm[1] > 20 and depth_mm[2] < -10
    step_ml = atlas.ventricle_distance_mm.spacing_mm**3 / 1000
    assert 15 < (atlas.ventricle_distance_mm.data < 0).sum() * step_ml < 35  # adult lateral and third ventricles
    normal = np.stack([part.sample(points)[0] for part in atlas.ventricle_normal])
    assert normal[0] > 0.5  # the white matter point lies to the right of the right ventricle
    assert np.linalg.norm(normal) <= 1
