from __future__ import annotations

import gzip
import os

import nibabel as nib
import numpy as np
import pytest

from bundle.data.checks import check_affine, check_mask, check_volume

SHAPE = (6, 7, 5)


def _save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def _noise(shape=SHAPE):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 1), (*SHAPE, 1, 1)], ids=str)
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
def test_good_volume(tmp_path, shape, dtype):
    check_volume(_save(tmp_path / "a.nii.gz", (_noise(shape) * 100).astype(dtype)))


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1)], ids=str)
def test_good_slice(tmp_path, shape):
    check_volume(_save(tmp_path / "a.nii.gz", _noise(shape)), spatial_dims=2)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        pytest.param(_noise((*SHAPE, 4)), "got 4 channels", id="four_channels"),
        pytest.param(_noise((6, 7)), r"got shape \(6, 7\)", id="slice"),
        pytest.param(_noise((6, 7, 1)), r"got shape \(6, 7, 1\)", id="one_slice_volume"),
        pytest.param(_noise((6, 7, 5, 2, 3)), r"got shape \(6, 7, 5, 2, 3\)", id="five_axes"),
        pytest.param(np.zeros(SHAPE, np.int16), "all voxels are 0", id="empty"),
        pytest.param(np.full(SHAPE, 7, np.int16), "all voxels are 7", id="constant"),
        pytest.param(np.where(_noise() == _noise()[1, 2, 3], np.nan, _noise()), r"got 1 .* at \(1, 2, 3\)", id="nan"),
        pytest.param(np.where(_noise() > 0.5, np.inf, _noise()), "NaN or infinite", id="inf"),
        pytest.param(_noise().astype(np.complex64), "got complex64", id="complex"),
    ],
)
def test_bad_voxels(tmp_path, array, match):
    path = _save(tmp_path / "bad_flair.nii.gz", array)
    with pytest.raises(ValueError, match=rf"bad_flair\.nii\.gz: .*{match}.*; ") as error:
        check_volume(path)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.nii\.gz: the file does not exist"):
        check_volume(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize("keep", [0.5, 0.95])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_file(tmp_path, suffix, keep):
    path = _save(tmp_path / f"cut{suffix}", _noise((20, 20, 20)))
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(ValueError, match=rf"cut{suffix}: the file is truncated or damaged"):
        check_volume(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"not an image", gzip.compress(b"not an image"), b"\x1f\x8b\x08"],
    ids=["empty", "text", "gz", "cut"],
)
def test_not_nifti(tmp_path, content):
    path = tmp_path / "other.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.nii\.gz: not a readable NIfTI file") as error:
        check_volume(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("affine", [np.diag([0.0, 1, 1, 1]), np.full((4, 4), np.nan)], ids=["flat", "nan"])
def test_bad_affine(affine):
    with pytest.raises(ValueError, match=r"a\.nii: the header must give a voxel size .*(\[0\.0, 0\.0|nan)"):
        check_affine(affine, "a.nii")


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros(SHAPE, np.uint8),
        (_noise() > 0.5).astype(np.uint8) * 4,
        (_noise() > 0.5).astype(np.float32)[..., None] * 0.99999,
    ],
    ids=["empty", "labels", "rounded"],
)
def test_good_mask(tmp_path, mask):
    image = _save(tmp_path / "image.nii.gz", _noise())
    check_mask(_save(tmp_path / "mask.nii.gz", mask, affine=np.diag([9.0, 9, 9, 1])), image, label=1)


@pytest.mark.parametrize(
    ("mask", "label", "match"),
    [
        pytest.param(np.zeros((6, 7, 6), np.uint8), 1, r"\(6, 7, 5\).*got \(6, 7, 6\)", id="shape"),
        pytest.param(np.where(_noise() > 0.5, np.nan, 0), 1, "NaN", id="nan"),
        pytest.param(np.full(SHAPE, -1, np.int16), 1, "got -1", id="negative"),
        pytest.param(np.full(SHAPE, 0.25, np.float32), 1, "got 0.25", id="interpolated"),
        pytest.param(np.ones(SHAPE, np.uint8), 0, "got 210 lesion voxels", id="healthy_with_lesion"),
    ],
)
def test_bad_mask(tmp_path, mask, label, match):
    image = _save(tmp_path / "image.nii.gz", _noise())
    with pytest.raises(ValueError, match=rf"mask\.nii\.gz: .*{match}"):
        check_mask(_save(tmp_path / "mask.nii.gz", mask), image, label)
