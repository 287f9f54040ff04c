from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from bundle.data.phantom import make_grid
from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.resampling import image_to_grid, mask_to_grid, reference
from scripts.benchmark.registration import random_affine

HERE = sitk.AffineTransform(3)


def test_on_the_grid_already_nothing_changes(brain):
    image, mask = to_sitk(brain.image, brain.affine), to_sitk((brain.image > 0).astype(np.uint8), brain.affine)
    grid = make_grid(4.0)
    np.testing.assert_allclose(image_to_grid(image, mask, HERE, grid), brain.image, rtol=1e-6)
    np.testing.assert_array_equal(
        mask_to_grid(to_sitk(brain.mask, brain.affine), HERE, grid.shape, grid.affine), brain.mask
    )


def test_the_edge_is_neither_darker_nor_wider():
    """A ball of one brightness keeps it, up to its edge, on a coarser grid."""
    fine, coarse = make_grid(2.0), make_grid(5.0)
    x, y, z = np.meshgrid(*fine.axes_mm(), indexing="ij")
    ball = (x**2 + (y + 18) ** 2 + (z - 10) ** 2 < 50**2).astype(np.float32)
    found = image_to_grid(to_sitk(7 * ball, fine.affine), to_sitk(ball, fine.affine), HERE, coarse)
    np.testing.assert_allclose(found[found > 0], 7, rtol=1e-5)
    np.testing.assert_allclose((found > 0).sum() * 125, ball.sum() * 8, rtol=0.02)


@pytest.mark.parametrize(
    ("spacing", "turn", "flip"),
    [
        pytest.param((1.0, 1.0, 1.0), (0, 0, 0), (1, 1, 1), id="plain"),
        pytest.param((0.9, 0.9, 6.0), (10, -6, 8), (1, 1, 1), id="oblique_thick_slices"),
        pytest.param((1.2, 1.0, 3.0), (0, 0, 0), (-1, -1, 1), id="flipped"),
    ],
)
def test_there_and_back(spacing, turn, flip):
    """A lesion of 30 ml on a native grid goes to the 1 mm grid by a random affine, and back."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * spacing * flip
    shape = tuple(int(180 / edge) for edge in spacing)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) / 2) + (0, -18, 10)
    indices = np.stack(np.indices(shape), axis=-1)
    positions = indices @ affine[:3, :3].T + affine[:3, 3]
    lesion = (np.linalg.norm(positions - (20, -30, 25), axis=-1) < 19).astype(np.uint8)
    known, grid = random_affine(np.random.default_rng(1)), make_grid(1.0)
    there = mask_to_grid(to_sitk(lesion, affine), known, grid.shape, grid.affine)
    back = mask_to_grid(to_sitk(there, grid.affine), known.GetInverse(), shape, affine)
    assert 2 * (back & lesion).sum() / (back.sum() + lesion.sum()) > 0.95


def test_reference():
    image = reference((3, 4, 5), np.diag([1.0, 2.0, 3.0, 1.0]))
    assert image.GetSize() == (3, 4, 5) and image.GetSpacing() == (1.0, 2.0, 3.0)
