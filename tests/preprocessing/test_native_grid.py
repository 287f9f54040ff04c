from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from bundle.preprocessing.native_grid import read_native_grid

AFFINE = [[0.0, -1.0, 0.0, 4.0], [0.0, 0.0, 2.0, -5.0], [3.0, 0.0, 0.0, 6.0], [0.0, 0.0, 0.0, 1.0]]


@pytest.fixture
def write_record(tmp_path):
    def write(**facts):
        (tmp_path / "provenance").mkdir()
        (tmp_path / "provenance" / "sub-1.json").write_text(json.dumps(facts))
        return tmp_path

    return write


def test_grid_and_way_back(write_record):
    native = {"shape": [4, 5, 6], "affine": AFFINE}
    folder = write_record(status="done", native=native, inputs={"image": {"path": "raw/sub-1.nii.gz"}})
    (folder / "transforms").mkdir()
    moved = sitk.TranslationTransform(3, [1.0, 2.0, 3.0])
    sitk.WriteTransform(moved, str(folder / "transforms" / "sub-1_to_native.tfm"))
    grid = read_native_grid(folder, "sub-1")
    assert (grid.shape, grid.scan) == ((4, 5, 6), "raw/sub-1.nii.gz")
    np.testing.assert_array_equal(grid.affine, AFFINE)
    assert grid.transform.TransformPoint((0.0, 0.0, 0.0)) == (1.0, 2.0, 3.0)


def test_subject_that_was_not_preprocessed(tmp_path):
    with pytest.raises(ValueError, match="'sub-1' must have been preprocessed here, found no record; run it again"):
        read_native_grid(tmp_path, "sub-1")


def test_subject_that_failed(write_record):
    folder = write_record(status="failed", reason="no brain")
    with pytest.raises(ValueError, match="'sub-1' must have been preprocessed here, found the status 'failed'"):
        read_native_grid(folder, "sub-1")
