from __future__ import annotations

import numpy as np
import pytest

from bundle.audit.controls import MARGIN, control_regions, free_tissue


def shape_of(mask):
    """Voxels of a mask, counted from the corner of their bounding box."""
    places = np.argwhere(mask)
    return {tuple(place) for place in (places - places.min(axis=0)).tolist()}


def blob(shape, rng):
    """Return a region of some random boxes."""
    region = np.zeros(shape, dtype=bool)
    for _ in range(3):
        start = [rng.integers(2, size - 8) for size in shape]
        region[tuple(slice(at, at + int(rng.integers(2, 6))) for at in start)] = True
    return region


@pytest.mark.parametrize("shape", [(40, 50), (24, 30, 20)], ids=["2d", "3d"])
@pytest.mark.parametrize("seed", range(3))
def test_size_place_and_number(shape, seed):
    rng = np.random.default_rng(seed)
    region = blob(shape, rng)
    free = free_tissue(rng.random(shape) < 0.97, region)
    controls = control_regions(region, free, 7, np.random.default_rng(seed))
    assert [int(control.sum()) for control in controls] == [int(region.sum())] * 7
    assert not any((control & ~free).any() for control in controls)
    again = control_regions(region, free, 7, np.random.default_rng(seed))
    assert all((first == second).all() for first, second in zip(controls, again, strict=True))
    others = control_regions(region, free, 7, np.random.default_rng(seed + 100))
    assert any((first != second).any() for first, second in zip(controls, others, strict=True))


def test_a_region_that_fits_keeps_its_shape_or_is_mirrored():
    region = np.zeros((30, 30), dtype=bool)
    region[4:9, 4] = region[4, 4:7] = region[8, 12] = True  # an L and a voxel apart from it
    controls = control_regions(region, free_tissue(np.ones_like(region), region), 40, np.random.default_rng(0))
    shapes = [shape_of(region), shape_of(region[::-1])]
    found = [shapes.index(shape_of(control)) for control in controls]
    assert set(found) == {0, 1}


def test_the_only_place_is_found():
    region = np.zeros((12, 12), dtype=bool)
    region[1:4, 1] = region[3, 2] = True
    free = np.zeros_like(region)
    free[7:10, 8] = free[7, 9] = True  # mirrored along the first axis
    (control,) = control_regions(region, free, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(control, free)


def test_voxels_that_do_not_fit_are_replaced_by_the_nearest():
    region, free = np.zeros(40, dtype=bool), np.zeros(40, dtype=bool)
    region[2:7] = True  # five voxels
    free[[20, 21, 22, 24, 27, 35]] = True  # at best four of five in a row
    for control in control_regions(region, free, 5, np.random.default_rng(0)):
        assert np.flatnonzero(control).tolist() == [20, 21, 22, 24, 27]


def test_free_tissue_keeps_a_distance():
    unhealthy = np.zeros(12, dtype=bool)
    unhealthy[5] = True
    free = free_tissue(np.arange(12) < 10, unhealthy)
    assert np.flatnonzero(free).tolist() == [place for place in range(10) if abs(place - 5) > MARGIN]


@pytest.mark.parametrize(
    ("voxels", "free", "draws", "message"),
    [
        pytest.param(5, 4, 1, "the anomaly has 5 voxels, 4 others are free", id="no_room"),
        pytest.param(0, 4, 1, "need an anomaly, got 0 voxels", id="nothing_called"),
        pytest.param(2, 4, 0, "at least 1 control region, got 0", id="no_draw"),
    ],
)
def test_mistakes(voxels, free, draws, message):
    places = np.arange(20)
    with pytest.raises(ValueError, match=message):
        control_regions(places < voxels, places >= 20 - free, draws, np.random.default_rng(0))
