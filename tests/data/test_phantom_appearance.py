from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.phantom.anatomy import apply_anatomy, draw_anatomy
from bundle.data.phantom.appearance import bright_structures, draw_appearance, render_tissue
from bundle.data.phantom.atlas import load_atlas, make_grid

GRID = make_grid(4.0)


@pytest.fixture(scope="module")
def anatomy():
    return apply_anatomy(draw_anatomy(np.random.default_rng(0)), GRID, load_atlas(4.0))


def test_tissue_has_its_brightness(anatomy):
    appearance = replace(draw_appearance(np.random.default_rng(0)), regional_sd=0.0, texture_sd=0.0, deep_grey=1.0)
    image = render_tissue(appearance, anatomy)
    mixture = appearance.grey * anatomy.grey + appearance.white * anatomy.white + appearance.fluid * anatomy.fluid
    np.testing.assert_allclose(image, mixture, atol=1e-6)
    assert appearance.fluid < appearance.white < appearance.grey


def test_every_subject_has_bright_structures(anatomy):
    for seed in range(10):
        appearance = draw_appearance(np.random.default_rng(seed))
        added = bright_structures(appearance, anatomy)
        assert added.min() >= 0
        assert not added[~anatomy.brain].any()
        image = render_tissue(appearance, anatomy) + added
        volume_ml = (image > 1.25 * appearance.white)[added > 0.05].sum() * GRID.spacing_mm**3 / 1000
        assert volume_ml > 1  # as bright as a lesion, without being one
