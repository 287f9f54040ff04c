"""Registration and brain extraction on real FLAIR volumes; scripts.benchmark.registration measures all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundle.data.phantom import make_grid
from bundle.preprocessing import Settings, list_subjects, preprocess
from bundle.preprocessing.geometry import sitk_array, to_sitk
from bundle.preprocessing.resampling import mask_to_grid
from bundle.preprocessing.volumes import read_mask, read_volume

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not (DATA / "ms").is_dir(), reason="the folder ../shared/data is missing")


def subject(folder, name):
    return next(subject for subject in list_subjects(DATA / folder) if subject.name == name)


def test_tumour_there_and_back():
    given = subject("tumour", "Brats18_CBICA_ALU_1")
    result = preprocess(given, Settings(1.0, "none"))
    assert result.registration.overlap > 0.94
    truth = sitk_array(result.native.image(read_mask(given.files["mask"], read_volume(given.files["image"]))))
    there, grid = to_sitk(result.mask, make_grid(1.0).affine), result.native
    back = mask_to_grid(there, result.registration.transform.GetInverse(), grid.array.shape, grid.affine)
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.9


def test_head_in_thick_slices():
    result = preprocess(subject("ms", "tabriz104252"), Settings(2.0, "offline"))
    brain_ml = result.brain.sum() * np.prod([0.8984, 0.8984, 6.5]) / 1000
    assert 1200 < brain_ml < 1700  # HD-BET finds 1494 ml
    assert result.registration.overlap > 0.93
