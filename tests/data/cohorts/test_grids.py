from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bundle.data.cohorts.grids import grid_of, grid_rows, size_rows


def _image(shape=(4, 5, 6), spacing=(1.0, 2.0, 3.0), origin=0.0):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def test_grid():
    grid = grid_of(_image((4, 5, 6, 1), (-1.0, 2.0, 3.00001)), 3, "a.nii")
    assert grid.shape == (4, 5, 6) and grid.spacing_mm == (1.0, 2.0, 3.0)
    assert grid.size == "4x5x6 voxels of 1x2x3 mm"
    assert grid == grid_of(_image(spacing=(-1.0, 2.0, 3.0)), 3, "b.nii")
    assert grid_of(_image((4, 5)), 2, "a.nii").spacing_mm == (1.0, 2.0)
    flat = nib.spatialimages.SpatialImage(np.zeros((4, 5, 6), np.uint8), np.diag([1.0, 0.0, 3.0, 1.0]))
    assert grid_of(_image((4, 5), origin=3.0), 2, "a.nii") == grid_of(_image((4, 5)), 2, "b.nii")  # two heights
    with pytest.raises(ValueError, match=r"a\.nii: .* got 2 channels"):
        grid_of(_image((4, 5, 6, 2)), 3, "a.nii")
    with pytest.raises(ValueError, match=r"a\.nii: .* got the affine \[\[1\.0, 0\.0, 0\.0"):
        grid_of(flat, 3, "a.nii")


def test_counts():
    images = {"a": _image(origin=1.0), "b": _image(), "c": _image((3, 3, 3)), "d": _image()}
    grids = [(subject, grid_of(image, 3, subject)) for subject, image in images.items()]
    assert [(row["images"], row["first"]) for row in grid_rows(grids)] == [(2, "b"), (1, "a"), (1, "c")]
    assert grid_rows(grids)[1]["affine"] == [[1, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]]
    assert size_rows(grids) == [
        {"size": "4x5x6 voxels of 1x2x3 mm", "images": 3, "affines": 2, "first": "a"},
        {"size": "3x3x3 voxels of 1x2x3 mm", "images": 1, "affines": 1, "first": "c"},
    ]
