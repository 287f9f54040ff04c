from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics.attribution_mass import share_outside_lesion


@pytest.mark.parametrize(
    ("attribution", "lesion", "expected"),
    [
        pytest.param([3.0, 1.0, -5.0], [1, 0, 0], 0.25, id="negative_voxels_do_not_count"),
        pytest.param([3.0, 1.0, -5.0], [1, 1, 0], 0.0, id="all_inside"),
        pytest.param([3.0, 1.0], [0, 0], 1.0, id="no_lesion_voxel"),
        pytest.param([-3.0, 0.0], [1, 0], math.nan, id="nothing_positive"),
    ],
)
def test_share_by_hand(attribution, lesion, expected):
    found = share_outside_lesion(np.array(attribution, np.float32), np.array(lesion, dtype=bool))
    assert found == pytest.approx(expected, nan_ok=True)


def test_small_attributions_add_up():
    attribution = np.full(2_000_000, 1e-7, np.float32)
    assert share_outside_lesion(attribution, np.arange(2_000_000) < 500_000) == pytest.approx(0.75, abs=1e-12)
