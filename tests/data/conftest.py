"""Anatomies that the lesion tests share."""

from __future__ import annotations

import numpy as np
import pytest

from bundle.data.phantom.anatomy import Anatomy, apply_anatomy, draw_anatomy
from bundle.data.phantom.atlas import load_atlas, make_grid


@pytest.fixture(scope="module")
def placed():
    """A subject's anatomy on the grid that lesions are placed on."""
    return apply_anatomy(draw_anatomy(np.random.default_rng(5)), make_grid(4.0), load_atlas(4.0))


@pytest.fixture(scope="module")
def white_brain():
    """White matter everywhere, far from outline and ventricles."""
    grid = make_grid(2.0)
    ones = np.ones(grid.shape, np.float32)
    return Anatomy(grid, ones > 0, 0 * ones, ones, 50 * ones, 50 * ones)
