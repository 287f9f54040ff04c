from __future__ import annotations

import numpy as np
import pytest

from bundle.preprocessing.head_phantom import add_head


@pytest.fixture(scope="module")
def head(brain):
    return add_head(brain.image, 4.0, seed=0)


def test_the_brain_is_kept(brain, head):
    x, y, z = head.offset
    inside = head.image[x : x + brain.image.shape[0], y : y + brain.image.shape[1], z : z + brain.image.shape[2]]
    lit = brain.image > 0
    np.testing.assert_array_equal(inside[lit], brain.image[lit])
    np.testing.assert_array_equal(head.brain[x:-x, y:-y, z : z + brain.image.shape[2]][lit], True)


def test_bright_scalp_dark_skull_noisy_air(brain, head):
    tissue = np.median(head.image[head.brain])
    profile = head.image[: np.argwhere(head.brain)[:, 0].min(), :, :].max(axis=(1, 2))
    assert profile.max() > 0.5 * tissue  # scalp beside the brain
    assert 0 < head.image[0].mean() < 0.2 * tissue  # air
    assert not np.array_equal(add_head(brain.image, 4.0, seed=1).image, head.image)
    np.testing.assert_array_equal(add_head(brain.image, 4.0, seed=0).image, head.image)
