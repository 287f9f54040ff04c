from __future__ import annotations

import os

import nibabel as nib
import numpy as np
import pytest

from bundle.data.cohorts.inspection import inspect_entry

SHAPE = (6, 7, 5)
NOISE = np.random.default_rng(0).random(SHAPE, np.float32)
LESION = (NOISE > 0.9).astype(np.uint8)


def _entry(image, label=1, mask=None):
    return {"subject": "a", "image": str(image), "label": label, **({} if mask is None else {"mask": str(mask)})}


def _kinds(entry, **options):
    return [problem.kind for problem in inspect_entry("test", entry, **options).problems]


def test_sound_entry(make_volume):
    found = inspect_entry("test", _entry(make_volume("a.nii.gz"), mask=make_volume("m.nii.gz", 4 * LESION)))
    assert found.problems == () and found.grid.shape == SHAPE and found.subject == "a" and found.section == "test"


@pytest.mark.parametrize(
    ("name", "content", "same"),
    [
        pytest.param("b.nii", NOISE, True, id="not_compressed"),
        pytest.param("b.nii.gz", NOISE.astype(np.float64), True, id="another_type"),
        pytest.param("b.nii.gz", NOISE[..., None], True, id="trailing_axis"),
        pytest.param("b.nii.gz", NOISE[::-1].copy(), False, id="mirrored"),
        pytest.param("b.nii.gz", NOISE.reshape(7, 6, 5), False, id="another_shape"),
    ],
)
def test_hash_is_of_the_voxels(make_volume, name, content, same):
    first, second = (
        inspect_entry("test", _entry(make_volume(*file))).digest for file in (("a.nii.gz", NOISE), (name, content))
    )
    assert (first == second) == same


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(np.stack([NOISE] * 4, axis=-1), "got 4 channels", id="4d"),
        pytest.param(np.zeros(SHAPE, np.int16), "all voxels are 0", id="zero"),
        pytest.param(np.where(NOISE > 0.9, np.nan, NOISE), "NaN", id="nan"),
    ],
)
def test_bad_image(make_volume, content, words):
    path = make_volume("a.nii.gz", content)
    (problem,) = inspect_entry("test", _entry(path)).problems
    assert (problem.kind, problem.file, problem.subject) == ("image", str(path), "a")
    assert problem.message.startswith(f"{path}: ") and words in problem.message
    assert problem.line() == f"test a: {problem.message}"


def test_files_that_cannot_be_read(make_volume, tmp_path):
    cut = make_volume("cut.nii.gz")
    os.truncate(cut, cut.stat().st_size // 2)
    assert _kinds(_entry(cut)) == ["image"]
    found = inspect_entry("test", _entry(tmp_path / "absent.nii", mask=tmp_path / "gone.nii"))
    assert [(problem.kind, problem.file) for problem in found.problems] == [
        ("missing", str(tmp_path / "absent.nii")),
        ("missing", str(tmp_path / "gone.nii")),
    ]
    assert found.grid is None and found.digest == ""


@pytest.mark.parametrize(
    ("mask", "label", "kind", "words"),
    [
        pytest.param(np.zeros((6, 7, 6), np.uint8), 1, "mask", "got (6, 7, 6)", id="shape"),
        pytest.param(LESION, 0, "mask", f"got {LESION.sum()} lesion voxels", id="healthy_with_lesion"),
        pytest.param(LESION * 0.5, 1, "mask", "got 0.5", id="interpolated"),
        pytest.param(LESION * 0, 1, "empty_mask", "must have lesion voxels, got none", id="empty"),
        pytest.param(
            LESION * 255, 1, "mask_labels", f"the labels 0, 1, 2, 4, got 255 in {LESION.sum()} voxels", id="labels"
        ),
    ],
)
def test_bad_mask(make_volume, mask, label, kind, words):
    path = make_volume("m.nii.gz", mask)
    (problem,) = inspect_entry("test", _entry(make_volume("a.nii.gz"), label, path)).problems
    assert (problem.kind, problem.file) == (kind, str(path)) and words in problem.message


@pytest.mark.parametrize(
    ("shift", "kinds"),
    [(0.4, []), (0.6, ["mask_affine"])],
    ids=["less_than_half_a_voxel", "more"],
)
def test_mask_that_lies_elsewhere(make_volume, shift, kinds):
    image = make_volume("a.nii.gz", affine=np.diag([1.0, 2.0, 2.0, 1.0]))
    affine = np.diag([1.0, 2.0, 2.0, 1.0])
    affine[1, 3] = shift
    assert _kinds(_entry(image, mask=make_volume("m.nii.gz", LESION, affine))) == kinds


def test_mirrored_mask_is_measured(make_volume):
    mask = make_volume("m.nii.gz", LESION, np.diag([-1.0, 1.0, 1.0, 1.0]))
    (problem,) = inspect_entry("test", _entry(make_volume("a.nii.gz"), mask=mask)).problems
    assert "got voxels 10.0 mm away" in problem.message  # index 5 lies at 5 and at -5 mm


def test_slices_and_other_labels(make_volume, tmp_path):
    nib.save(nib.Nifti1Image(NOISE[..., 0], np.eye(4)), tmp_path / "s.nii")
    nib.save(nib.Nifti1Image(LESION[..., 0] * 3, np.eye(4)), tmp_path / "m.nii")
    entry = _entry(tmp_path / "s.nii", mask=tmp_path / "m.nii")
    assert _kinds(entry, spatial_dims=2) == ["mask_labels"]
    assert _kinds(entry, spatial_dims=2, mask_labels=(0, 3)) == []
    assert _kinds(entry) == ["image", "mask_labels"]
