from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.phantom.atlas import make_grid
from bundle.data.phantom.tumour import draw_tumour, mass_effect, paint_tumour

GRID = make_grid(2.0)
WHITE = 0.75


def test_mass_effect_points_outwards_and_peaks_where_it_says(placed):
    drawn = draw_tumour(np.random.default_rng(0), placed)
    tumour = replace(drawn, centre_mm=np.zeros(3), radius_mm=20.0, mass_mm=4.0)
    push = mass_effect(tumour, GRID)
    centre = tuple(np.rint(-np.array(GRID.origin_mm) / 2).astype(int))
    assert not push[(slice(None), *centre)].any()
    right = push[:, centre[0] + 6, centre[1], centre[2]]  # 12 mm = 0.6 radii to the right
    np.testing.assert_allclose(right, [4.0, 0, 0], atol=1e-6)
    length = np.sqrt((push**2).sum(axis=0))
    assert length.max() == pytest.approx(4.0, rel=1e-5)
    assert length[0, 0, 0] < 1e-6
    # no fold: the way back, r - push(r), rises with the distance r from the centre
    along = push[0, centre[0] :, centre[1], centre[2]]
    assert (np.diff(np.arange(len(along)) * 2 - along) > 0).all()


def test_no_drawn_tumour_folds_the_tissue(placed):
    rng = np.random.default_rng(4)
    for _ in range(30):
        tumour = draw_tumour(rng, placed)
        # the slope of push(r) = m x exp((1 - x^2) / 2), x = r / 0.6 R, is largest at 0: m sqrt(e) / 0.6 R
        assert tumour.mass_mm * np.sqrt(np.e) / (0.6 * tumour.radius_mm) < 1


def test_ball_shaped_tumour_has_oedema_core_and_necrosis(white_brain, placed):
    drawn = draw_tumour(np.random.default_rng(0), placed)
    tumour = replace(
        drawn,
        centre_mm=np.zeros(3),
        axes=np.eye(3) / 30,
        radius_mm=30.0,
        irregularity=0.0,
        core=0.6,
        core_offset_mm=np.zeros(3),
        necrosis=0.3,
        oedema_brightness=1.6,
        core_brightness=1.1,
        necrosis_brightness=0.5,
        rim_brightness=0.0,
        mottle=0.0,
        edge_mm=1.0,
    )
    image = np.full(GRID.shape, WHITE, np.float32)
    mask = paint_tumour(tumour, white_brain, image, WHITE)
    assert mask.sum() * 8 == pytest.approx(4 / 3 * np.pi * 30**3, rel=0.02)  # mm3
    distance = np.sqrt(sum(part**2 for part in np.meshgrid(*GRID.axes_mm(), indexing="ij")))
    clear = abs(distance - 30) > 1e-3  # rounding decides for voxels on the border
    np.testing.assert_array_equal(mask[clear], distance[clear] < 30)
    np.testing.assert_allclose(image[distance < 6], 0.5 * WHITE, rtol=1e-5)
    np.testing.assert_allclose(image[(distance > 12) & (distance < 15)], 1.1 * WHITE, rtol=1e-5)
    oedema = (distance > 21) & (distance < 28)
    np.testing.assert_allclose(image[oedema], (1.6 - 0.2 * distance[oedema] / 30) * WHITE, rtol=1e-4)
    np.testing.assert_array_equal(image[distance > 32], np.float32(WHITE))


def test_tumour_stays_in_the_brain_and_its_volume_is_realistic(placed):
    rng = np.random.default_rng(3)
    volumes_ml = []
    for _ in range(12):
        mask = paint_tumour(draw_tumour(rng, placed), placed, np.zeros(placed.grid.shape, np.float32), WHITE)
        assert placed.brain[mask].all()
        volumes_ml.append(mask.sum() * 4**3 / 1000)
    assert min(volumes_ml) > 3 and 20 < np.median(volumes_ml) < 90 and max(volumes_ml) < 250
