from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

from bundle.report import draw_overlay, focus

SHAPE = (12, 14, 10)


def test_focus_is_inside_the_largest_anomaly():
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 1, 1] = 1
    mask[5:8, 6:9, 3:6] = 1
    assert focus(mask, np.zeros(SHAPE)) == (6, 7, 4)
    hollow = np.zeros(SHAPE, np.uint8)
    hollow[5:8, 6:9, 3:6] = 1
    hollow[6, 7, 4] = 0
    assert hollow[focus(hollow, np.zeros(SHAPE))] == 1


def test_focus_without_an_anomaly_is_the_highest_attribution():
    attribution = np.zeros(SHAPE)
    attribution[3, 2, 1] = 0.1
    assert focus(np.zeros(SHAPE), attribution) == (3, 2, 1)


@pytest.mark.parametrize("lesion", [True, False], ids=["anomaly", "healthy"])
def test_the_picture_does_not_depend_on_the_storage_order(tmp_path, lesion):
    rng = np.random.default_rng(0)
    image, attribution = rng.standard_normal((2, *SHAPE)).astype(np.float32)
    image[:2] = 0
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:7, 5:9, 2:5] = lesion
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    volumes = [nib.Nifti1Image(array, affine) for array in (image, attribution, mask)]
    orientation = nib.orientations.axcodes2ornt("PSL")
    turned = [
        volume.as_reoriented(nib.orientations.ornt_transform(np.array([[0, 1], [1, 1], [2, 1]]), orientation))
        for volume in volumes
    ]
    draw_overlay(tmp_path / "a.png", image, attribution, mask, affine, "title")
    draw_overlay(
        tmp_path / "b.png", *(np.asarray(volume.dataobj) for volume in turned), turned[0].affine, title="title"
    )
    picture = imread(tmp_path / "a.png")
    np.testing.assert_array_equal(picture, imread(tmp_path / "b.png"))
    assert picture.std() > 0.05


def test_one_grid_of_three_axes(tmp_path):
    volume, other = np.ones(SHAPE), np.ones((3, 3, 3))
    with pytest.raises(ValueError, match=r"got shapes \[\(3, 3, 3\), \(12, 14, 10\)\]"):
        draw_overlay(tmp_path / "a.png", volume, other, volume, np.eye(4))
    with pytest.raises(ValueError, match=r"got shapes \[\(4, 4\)\]"):
        draw_overlay(tmp_path / "a.png", *(np.ones((4, 4)) for _ in range(3)), np.eye(4))
