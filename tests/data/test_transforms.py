from __future__ import annotations

import os

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged

from bundle.data.transforms import FillMissingMaskd, LoadFlaird, MatchMaskGridd

SHAPE = (6, 7, 5)


def _noise(shape=SHAPE):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def _save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 3, 4, 1]) if affine is None else affine), path)
    return str(path)


@pytest.mark.parametrize("tail", [(), (1,), (1, 1)], ids=str)
def test_load_gives_one_channel_and_the_affine(tmp_path, tail):
    path = _save(tmp_path / "a.nii.gz", _noise((*SHAPE, *tail)))
    image = LoadFlaird("image")({"image": path})["image"]
    np.testing.assert_array_equal(image.numpy(), _noise()[None])
    np.testing.assert_array_equal(image.affine, np.diag([2.0, 3, 4, 1]))
    assert image.meta["filename_or_obj"] == path and image.dtype == torch.float32


def test_load_slice(tmp_path):
    path = _save(tmp_path / "a.nii.gz", _noise((6, 7, 1)))
    assert LoadFlaird("image", spatial_dims=2)({"image": path})["image"].shape == (1, 6, 7)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        pytest.param(_noise((*SHAPE, 4)), "got 4 channels", id="four_channels"),
        pytest.param(_noise((6, 7)), r"got shape \(6, 7\)", id="slice"),
        pytest.param(np.zeros(SHAPE, np.int16), "all voxels are 0", id="empty"),
        pytest.param(np.where(_noise() > 0.5, np.nan, 0), "NaN", id="nan"),
    ],
)
def test_load_applies_the_checks(tmp_path, array, match):
    with pytest.raises(ValueError, match=rf"a\.nii\.gz: .*{match}"):
        LoadFlaird("image")({"image": _save(tmp_path / "a.nii.gz", array)})


def test_load_names_unreadable_files(tmp_path):
    path = _save(tmp_path / "cut.nii.gz", _noise((20, 20, 20)))
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(ValueError, match=r"cut\.nii\.gz: the file is truncated"):
        LoadFlaird("image")({"image": path})
    with pytest.raises(FileNotFoundError, match=r"absent\.nii\.gz: the file does not exist"):
        LoadFlaird("image")({"image": str(tmp_path / "absent.nii.gz")})
    with pytest.raises(KeyError, match="image"):
        LoadFlaird("image")({})


def test_mask_is_binary_and_on_the_images_grid(tmp_path):
    labels = (_noise() > 0.7) * np.uint8(4)
    entry = {
        "image": _save(tmp_path / "image.nii.gz", _noise()),
        "mask": _save(tmp_path / "mask.nii.gz", labels, affine=np.diag([-9.0, 1, 1, 1])),
    }
    load = Compose([LoadFlaird("image"), LoadImaged("mask", ensure_channel_first=True), MatchMaskGridd("mask")])
    loaded = load(entry)
    np.testing.assert_array_equal(loaded["mask"].numpy()[0], labels > 0)
    np.testing.assert_array_equal(loaded["mask"].affine, loaded["image"].affine)
    assert loaded["mask"].meta["filename_or_obj"] == entry["mask"]
    assert loaded["image"].meta["filename_or_obj"] == entry["image"]


def test_mask_of_another_shape():
    mask = MetaTensor(torch.zeros(1, 6, 7, 6), meta={"filename_or_obj": "m.nii"})
    with pytest.raises(ValueError, match=r"m\.nii: .*\(1, 6, 7, 5\) \(array\), got \(1, 6, 7, 6\)"):
        MatchMaskGridd("mask")({"image": torch.zeros(1, *SHAPE), "mask": mask})


def test_mask_may_be_missing_only_if_said():
    entry = {"image": torch.zeros(1, *SHAPE)}
    assert MatchMaskGridd("mask", allow_missing_keys=True)(entry).keys() == {"image"}
    with pytest.raises(KeyError, match="mask"):
        MatchMaskGridd("mask")(entry)


@pytest.mark.parametrize(("label", "value"), [({"label": 0}, 0.0), ({"label": 1}, np.nan), ({}, np.nan)], ids=str)
def test_missing_mask_is_filled(label, value):
    image = MetaTensor(torch.ones(1, *SHAPE), affine=torch.diag(torch.tensor([2.0, 2, 2, 1])))
    mask = FillMissingMaskd("mask")({"image": image, **label})["mask"]
    np.testing.assert_array_equal(mask.numpy(), np.full((1, *SHAPE), value))
    np.testing.assert_array_equal(mask.affine, image.affine)


def test_present_mask_is_kept():
    mask = torch.ones(1, *SHAPE)
    assert FillMissingMaskd("mask")({"image": torch.ones(1, *SHAPE), "mask": mask, "label": 0})["mask"] is mask
