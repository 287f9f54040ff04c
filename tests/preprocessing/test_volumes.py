from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.volumes import read_mask, read_volume

AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_euler("xyz", [8, -5, 10], degrees=True).as_matrix() * (-0.9, -1.0, 6.0)  # LPS, oblique
AFFINE[:3, 3] = (60, 70, -40)
ARRAY = np.random.default_rng(0).integers(0, 200, (12, 10, 5))


def write(path, array, affine=AFFINE):
    if path.suffix == ".mha":
        sitk.WriteImage(to_sitk(array, affine), str(path))
    else:
        nib.save(nib.Nifti1Image(array, affine, dtype=array.dtype), path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64])
def test_every_format_and_type_is_the_same_volume(tmp_path, suffix, dtype):
    volume = read_volume(write(tmp_path / f"a{suffix}", ARRAY.astype(dtype)))
    np.testing.assert_array_equal(volume.array, ARRAY[::-1, ::-1])  # left to right, posterior to anterior
    assert volume.array.dtype == np.float32 and volume.stored_shape == ARRAY.shape
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    position = nib.affines.apply_affine(volume.affine, (1, 2, 3))
    np.testing.assert_allclose(position, nib.affines.apply_affine(AFFINE, (12 - 1 - 1, 10 - 1 - 2, 3)), atol=1e-4)
    mask = read_mask(write(tmp_path / f"m{suffix}", (ARRAY > 100).astype(dtype)), volume)
    np.testing.assert_array_equal(mask, volume.array > 100)


def test_axes_are_ordered_too(tmp_path):
    swapped = AFFINE[:, [2, 0, 1, 3]]
    volume = read_volume(write(tmp_path / "a.nii", ARRAY.transpose(2, 0, 1).astype(np.int16), swapped))
    np.testing.assert_array_equal(volume.array, ARRAY[::-1, ::-1])


def truncated(path):
    content = write(path, ARRAY.astype(np.float64)).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_header(path):
    path.write_bytes(gzip.compress(b"no header"))


def sheared():
    affine = AFFINE.copy()
    affine[:3, 0] += 0.5 * affine[:3, 1]
    return affine


def with_nan():
    array = ARRAY.astype(np.float64)
    array[1, 2, 3] = np.nan
    return array


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(truncated, "truncated, damaged or not what its name says", id="truncated"),
        pytest.param(cut_header, "truncated, damaged or not what its name says", id="no_header"),
        pytest.param(lambda path: None, "the file does not exist", id="missing"),
        pytest.param(
            lambda path: write(path, with_nan()), r"got 1 NaN or infinite, the first at \(1, 2, 3\)", id="nan"
        ),
        pytest.param(lambda path: write(path, 0.0 * ARRAY), "must not be empty, all voxels are 0", id="empty"),
        pytest.param(
            lambda path: write(path, np.stack([ARRAY] * 3, axis=-1).astype(np.int16)), "got 3 channels", id="4d"
        ),
        pytest.param(lambda path: write(path, ARRAY.astype(np.int16), sheared()), "a cosine of 0.4", id="sheared"),
        pytest.param(lambda path: write(path, ARRAY.astype(np.complex64)), "real numbers, got complex64", id="complex"),
    ],
)
def test_bad_volume(tmp_path, make, message):
    path = tmp_path / "bad.nii.gz"
    make(path)
    with pytest.raises((ValueError, FileNotFoundError), match=f"bad.nii.gz: .*{message}"):
        read_volume(path)


def test_bad_mha(tmp_path):
    stack = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3)), isVector=True)
    sitk.WriteImage(stack, str(tmp_path / "colour.mha"))
    with pytest.raises(ValueError, match=r"colour\.mha: .*got 3 channels"):
        read_volume(tmp_path / "colour.mha")
    (tmp_path / "text.mha").write_text("nothing")
    with pytest.raises(ValueError, match=r"text\.mha: the file is truncated"):
        read_volume(tmp_path / "text.mha")


def test_other_format(tmp_path):
    with pytest.raises(ValueError, match=r"scan\.dcm: a volume must be a file of the kind \.nii\.gz, \.nii, \.mha"):
        read_volume(tmp_path / "scan.dcm")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(ARRAY[:-1], r"must have its image's shape \(12, 10, 5\), got \(11, 10, 5\)", id="another_grid"),
        pytest.param(ARRAY - 1.0 * (ARRAY.max() == ARRAY) * 500, "whole numbers from 0 .*, got -30", id="negative"),
        pytest.param(ARRAY + 0.25, "whole numbers from 0 .*, got .*25", id="fraction"),
        pytest.param(with_nan(), "whole numbers from 0 .*, got nan", id="nan"),
    ],
)
def test_bad_mask(tmp_path, array, message):
    volume = read_volume(write(tmp_path / "a.nii.gz", ARRAY.astype(np.int16)))
    path = write(tmp_path / "m.nii.gz", np.asarray(array, np.float64))
    with pytest.raises(ValueError, match=f"m.nii.gz: a mask .*{message}"):
        read_mask(path, volume)


def test_trailing_axis_of_length_one(tmp_path):
    volume = read_volume(write(tmp_path / "a.nii.gz", ARRAY[..., None].astype(np.int16)))
    mask = read_mask(write(tmp_path / "m.nii.gz", (ARRAY > 50)[..., None].astype(np.uint8)), volume)
    np.testing.assert_array_equal(mask, volume.array > 50)
