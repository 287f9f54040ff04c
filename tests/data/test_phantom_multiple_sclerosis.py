from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.phantom.atlas import make_grid
from bundle.data.phantom.multiple_sclerosis import draw_sclerosis, paint_sclerosis

GRID = make_grid(2.0)
WHITE = 0.75


def _ball(lesions, radius_mm, centre_mm=(0.0, 0.0, 0.0), **changes):
    """Lesions reduced to one smooth ball."""
    return replace(
        lesions,
        centres_mm=np.array([centre_mm]),
        axes=np.eye(3)[None] / radius_mm,
        radii_mm=np.array([radius_mm]),
        irregularity=0.0,
        **changes,
    )


def test_ball_shaped_lesion_has_its_volume_and_brightness(white_brain, placed):
    drawn = draw_sclerosis(np.random.default_rng(0), placed)
    lesion = _ball(drawn, 12.0, brightness=np.array([1.4]), edge_mm=1.0)
    image = np.full(GRID.shape, WHITE, np.float32)
    mask = paint_sclerosis(lesion, white_brain, image, WHITE)
    assert mask.sum() * 8 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.03)  # mm3
    distance = np.sqrt(sum(part**2 for part in np.meshgrid(*GRID.axes_mm(), indexing="ij")))
    clear = abs(distance - 12) > 1e-3  # rounding decides for voxels on the border
    np.testing.assert_array_equal(mask[clear], distance[clear] < 12)
    np.testing.assert_allclose(image[distance < 11], 1.4 * WHITE, rtol=1e-6)
    np.testing.assert_array_equal(image[distance > 13], np.float32(WHITE))
    half = (1 + 0.4 * 0.5) * WHITE  # the mask is where at least half of the contrast is reached
    assert (image[mask] >= half - 1e-6).all() and (image[~mask] < half + 1e-6).all()


def test_lesions_stay_in_tissue(placed):
    lesions = draw_sclerosis(np.random.default_rng(1), placed)
    image = np.zeros(placed.grid.shape, np.float32)
    mask = paint_sclerosis(lesions, placed, image, WHITE)
    assert mask.any()
    assert placed.brain[mask].all()
    assert (placed.white + placed.grey)[mask].min() > 0.35


def test_sclerosis_prefers_ventricles_and_cortex_and_has_a_realistic_load(placed):
    rng = np.random.default_rng(2)
    many = [draw_sclerosis(rng, placed) for _ in range(40)]
    loads_ml = [4 / 3 * np.pi * (lesions.radii_mm**3).sum() / 1000 for lesions in many]
    assert 7 < np.median(loads_ml) < 15
    radii_mm = np.concatenate([lesions.radii_mm for lesions in many])
    assert radii_mm.min() >= 2.2 and radii_mm.max() <= 8 and 3.8 < np.median(radii_mm) < 4.8
    centres = np.concatenate([lesions.centres_mm for lesions in many])
    index = np.rint((centres - np.array(placed.grid.origin_mm)) / placed.grid.spacing_mm).astype(int)
    near = placed.ventricle_mm[tuple(index.T)] < 10
    white = (placed.white > 0.75) & (placed.depth_mm > 5)
    assert near.mean() > 2.5 * (placed.ventricle_mm[white] < 10).mean()
    brightness = np.concatenate([lesions.brightness for lesions in many])
    assert (brightness < 1.25).any() and (brightness > 1.6).any()  # cortex is at about 1.25
