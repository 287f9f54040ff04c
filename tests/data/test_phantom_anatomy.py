from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.phantom.anatomy import _rotation, apply_anatomy, draw_anatomy
from bundle.data.phantom.atlas import load_atlas, make_grid

SPACING_MM = 4.0


@pytest.fixture(scope="module")
def template():
    """Parameters that change nothing."""
    drawn = draw_anatomy(np.random.default_rng(0))
    return replace(
        drawn,
        linear=np.eye(3),
        shift_mm=np.zeros(3),
        broad_mm=0.0,
        local_mm=0.0,
        ventricle_mm=0.0,
        atrophy=0.0,
        outline_mm=(0.0, 0.0),
    )


def _apply(parameters, mass_mm=None):
    return apply_anatomy(parameters, make_grid(SPACING_MM), load_atlas(SPACING_MM), mass_mm)


def test_no_change_is_the_template(template):
    anatomy = _apply(template)
    points = np.stack(np.meshgrid(*anatomy.grid.axes_mm(), indexing="ij"))
    atlas = load_atlas(SPACING_MM)
    np.testing.assert_array_equal(anatomy.brain, atlas.brain_depth_mm.sample(points) > 0)
    np.testing.assert_allclose(anatomy.white[anatomy.brain], atlas.white.sample(points)[anatomy.brain], atol=1e-6)
    assert not anatomy.grey[~anatomy.brain].any() and not anatomy.fluid[~anatomy.brain].any()
    total = (anatomy.grey + anatomy.white + anatomy.fluid)[anatomy.brain]
    np.testing.assert_allclose(total, 1, atol=0.02)


def test_mirror_flips_the_brain(template):
    mirrored = _apply(replace(template, linear=np.diag([-1.0, 1, 1])))
    np.testing.assert_allclose(mirrored.grey[::-1], _apply(template).grey, atol=1e-5)


def test_mass_effect_moves_tissue_and_not_the_outline(template):
    # everything pushed by one voxel towards +y: a voxel holds what lay one voxel behind it
    mass_mm = np.zeros((3, *make_grid(SPACING_MM).shape), np.float32)
    mass_mm[1] = SPACING_MM
    pushed, healthy = _apply(template, mass_mm), _apply(template)
    np.testing.assert_array_equal(pushed.brain, healthy.brain)
    both = pushed.brain[:, 1:] & healthy.brain[:, :-1]
    np.testing.assert_allclose(pushed.white[:, 1:][both], healthy.white[:, :-1][both], atol=1e-5)
    np.testing.assert_allclose(pushed.ventricle_mm[:, 1:], healthy.ventricle_mm[:, :-1], atol=1e-4)


def test_ventricles_grow(template):
    # a wall moved outwards by v mm: the distance map reads 0 at v mm from the old wall
    healthy, grown = _apply(template), _apply(replace(template, ventricle_mm=5.0, ventricle_asymmetry=0.0))
    assert (grown.ventricle_mm < 0).sum() > 1.8 * (healthy.ventricle_mm < 0).sum()
    assert (grown.fluid.sum() - healthy.fluid.sum()) * SPACING_MM**3 / 1000 > 10  # ml
    far = healthy.ventricle_mm > 60
    np.testing.assert_allclose(grown.ventricle_mm[far], healthy.ventricle_mm[far], atol=0.1)


def test_atrophy_is_monotone_and_spares_full_tissue(template):
    fluids = [_apply(replace(template, atrophy=atrophy)).fluid for atrophy in (-0.25, 0.0, 0.25)]
    assert (np.diff(np.stack(fluids), axis=0) > -1e-6).all()
    assert fluids[2].sum() > 1.3 * fluids[0].sum()
    healthy = _apply(template)
    full = healthy.grey + healthy.white > 0.999
    assert fluids[2][full].max() < 0.002


def test_rotation_is_a_rotation():
    matrix = _rotation(np.array([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrix), 1)
    np.testing.assert_allclose(_rotation(np.array([0, 0, np.pi / 2])) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_anatomies_vary():
    rng = np.random.default_rng(1)
    volumes = [(_apply(draw_anatomy(rng)).ventricle_mm < 0).sum() * SPACING_MM**3 / 1000 for _ in range(12)]
    assert max(volumes) > 2.5 * min(volumes)  # ml
