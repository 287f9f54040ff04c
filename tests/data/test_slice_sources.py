from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
import pytest

from bundle.data.slice_sources import NpzSlices, VolumeSlices, open_slices, relative_height

LAS = np.array([[-2.0, 0, 0, 9], [0, 3, 0, -5], [0, 0, 4, 1], [0, 0, 0, 1]])


def _archive(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(1, 200, (5, 6, 4), dtype=np.uint8),
        "mask": rng.integers(0, 2, (5, 6, 4), dtype=np.uint8),
        "patient": np.array(["b", "a", "b", "a", "b"]),
        "rel_z": np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32),
        **changes,
    }
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return arrays


def _volumes(folder, *, without_mask=(), **changes):
    """Write two patients and a healthy subject, and return their arrays and the datalist's path."""
    rng = np.random.default_rng(1)
    volumes, entries = {}, []
    for subject, label in (("p", 1), ("q", 1), ("h", 0)):
        volumes[subject] = rng.integers(1, 200, (4, 5, 6)), rng.integers(0, 2, (4, 5, 6)) * label
        volumes[subject][0][:, :, 0] = 0
        for name, array in zip(("image", "mask"), volumes[subject], strict=True):
            nib.save(nib.Nifti1Image(array.astype(np.int16), LAS), folder / f"{subject}_{name}.nii.gz")
        entry = {"subject": subject, "image": f"{subject}_image.nii.gz", "label": label}
        entry |= {"condition": "tumour" if label else "healthy"}
        entries.append(entry if subject in without_mask else {**entry, "mask": f"{subject}_mask.nii.gz"})
    entries[0] |= changes
    path = folder / "datalist.json"
    path.write_text(json.dumps({"validation": [entries[0]], "test": entries[1:]}))
    return volumes, path


def test_archive_gives_the_slices_of_each_patient_in_radiological_display_order(tmp_path):
    arrays = _archive(tmp_path / "a.npz")
    source = open_slices(tmp_path / "a.npz")
    assert len(source) == 2
    for stack, patient, members in zip(source, ("b", "a"), ([0, 2, 4], [1, 3]), strict=True):
        assert (stack.subject, stack.patient, stack.section) == (patient, patient, None)
        assert stack.condition == "pathological"
        for index, member in enumerate(members):
            np.testing.assert_array_equal(stack.image[index], arrays["image"][member].T[:, ::-1])
            np.testing.assert_array_equal(stack.mask[index], arrays["mask"][member].T[:, ::-1] > 0)
        np.testing.assert_array_equal(stack.rel_z, arrays["rel_z"][members])
    assert nib.aff2axcodes(source.affine) == ("L", "A", "S")


def test_volumes_give_their_axial_slices_in_ras(tmp_path):
    volumes, path = _volumes(tmp_path)
    for stack, (section, subject) in zip(
        open_slices(path), (("validation", "p"), ("test", "q"), ("test", "h")), strict=True
    ):
        image, mask = (array[::-1] for array in volumes[subject])
        np.testing.assert_array_equal(stack.image, [image[:, :, level] for level in range(6)])
        np.testing.assert_array_equal(stack.mask, [mask[:, :, level] > 0 for level in range(6)])
        np.testing.assert_allclose(stack.affine, [[2, 0, 0, 3], [0, 3, 0, -5], [0, 0, 4, 1], [0, 0, 0, 1]])
        np.testing.assert_allclose(stack.rel_z, [-0.25, 0, 0.25, 0.5, 0.75, 1])
        assert (stack.subject, stack.patient, stack.section) == (subject, subject, section)


def test_named_patient_and_chosen_conditions(tmp_path):
    _, path = _volumes(tmp_path, patient="person")
    assert [stack.patient for stack in VolumeSlices(path, ["tumour"])] == ["person", "q"]
    assert [stack.subject for stack in VolumeSlices(path, ["healthy"])] == ["h"]


def test_healthy_volume_needs_no_mask(tmp_path):
    _, path = _volumes(tmp_path, without_mask=("h",))
    (stack,) = VolumeSlices(path, ["healthy"])
    assert stack.mask.shape == stack.image.shape and not stack.mask.any()


def test_relative_height_of_one_occupied_slice():
    image = np.zeros((4, 2, 2))
    image[2] = 1
    np.testing.assert_array_equal(relative_height(image), [-2, -1, 0, 1])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        pytest.param({"rel_z": None}, "must hold image, mask, patient, rel_z, got no rel_z; write", id="no_key"),
        pytest.param({"mask": None, "patient": None}, "got no mask and no patient", id="no_keys"),
        pytest.param({"mask": np.zeros((5, 6, 3))}, r"image \(5, 6, 4\), mask \(5, 6, 3\)", id="mask_shape"),
        pytest.param({"patient": np.array(["a"] * 4)}, r"patient \(4,\)", id="patients"),
        pytest.param({"image": np.zeros((5, 6)), "mask": np.zeros((5, 6))}, r"image \(5, 6\)", id="one_slice"),
        pytest.param({"image": np.full((5, 6, 4), np.nan)}, "NaN or infinite ones in 'image'", id="nan"),
        pytest.param({"patient": np.array([{}] * 5)}, "not a readable .npz archive .*pickle", id="objects"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*ragged:DeprecationWarning")
def test_bad_archive(tmp_path, changes, match):
    _archive(tmp_path / "a.npz", **changes)
    with pytest.raises(ValueError, match=rf"a\.npz: .*{match}") as error:
        NpzSlices(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def _cut(path):
    _archive(path)
    os.truncate(path, os.path.getsize(path) // 2)


@pytest.mark.parametrize(
    "spoil", [_cut, lambda path: path.write_text("no archive"), lambda path: path.touch()], ids=["cut", "text", "empty"]
)
def test_unreadable_archive(tmp_path, spoil):
    spoil(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz: not a readable \.npz archive \(.+\); copy or write") as error:
        NpzSlices(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.npz: the file does not exist"):
        open_slices(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match=r"a\.nii: slices come from an \.npz archive or a \.json datalist"):
        open_slices(tmp_path / "a.nii")
    _archive(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz: an archive .* has no conditions, got tumour"):
        open_slices(tmp_path / "a.npz", ["tumour"])


def test_bad_volumes(tmp_path):
    _, path = _volumes(tmp_path, without_mask=("q",))
    with pytest.raises(ValueError, match=r"datalist\.json: a pathological volume must have a mask .* got none for q"):
        VolumeSlices(path)
    with pytest.raises(ValueError, match=r"datalist\.json: .* got none of ms; choose among healthy, tumour"):
        VolumeSlices(path, ["tumour", "ms"])
    _, path = _volumes(tmp_path)
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), LAS), tmp_path / "h_mask.nii.gz")
    with pytest.raises(ValueError, match=r"h_mask\.nii\.gz: the mask of a healthy image must be empty, got 120"):
        list(VolumeSlices(path))
