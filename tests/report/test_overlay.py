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


@pytest.mark.parametrize("plane", [(0, 1), (0, 2), (1, 2)], ids=["axial", "coronal", "sagittal"])
def test_a_slice_is_drawn_in_the_plane_of_its_affine(tmp_path, plane):
    rng = np.random.default_rng(0)
    image, attribution = rng.standard_normal((2, 12, 14)).astype(np.float32)
    mask = np.zeros((12, 14), np.uint8)
    mask[4:7, 5:9] = 1
    axes = [*plane, *({0, 1, 2} - set(plane))]
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) * [2.0, 3.0, 5.0])[:, axes]
    volumes = [np.transpose(array[..., None], np.argsort(axes)) for array in (image, attribution, mask)]
    draw_overlay(tmp_path / "slice.png", image, attribution, mask, affine)
    draw_overlay(tmp_path / "volume.png", *volumes, np.diag([2.0, 3.0, 5.0, 1.0]))
    turned = affine @ np.array([[-1.0, 0, 0, 11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    draw_overlay(tmp_path / "turned.png", image[::-1], attribution[::-1], mask[::-1], turned)
    picture = imread(tmp_path / "slice.png")
    assert picture.shape[:2] == (440, 960)  # one row of panels
    for name in ("volume", "turned"):
        np.testing.assert_array_equal(picture, imread(tmp_path / f"{name}.png"))


def test_one_grid_of_two_or_three_axes(tmp_path):
    volume, other = np.ones(SHAPE), np.ones((3, 3, 3))
    with pytest.raises(ValueError, match=r"got shapes \[\(3, 3, 3\), \(12, 14, 10\)\]"):
        draw_overlay(tmp_path / "a.png", volume, other, volume, np.eye(4))
    with pytest.raises(ValueError, match=r"got shapes \[\(4,\)\]"):
        draw_overlay(tmp_path / "a.png", *(np.ones(4) for _ in range(3)), np.eye(4))
