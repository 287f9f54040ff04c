from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.data.slice_sources import SliceStack
from bundle.data.slices import SlicePlan, choose_slices, fit

PATIENTS = tuple("abcdefghij")
ALL = {"rel_z": (-1.0, 2.0)}


def _stack(lesion_voxels, *, shape=(50, 20), patient="a", section=None, rel_z=None):
    """Return a stack with a number of lesion voxels in each slice."""
    count = len(lesion_voxels)
    image = np.random.default_rng(0).integers(1, 99, (count, *shape))
    mask = np.zeros((count, *shape), bool)
    for slice_mask, voxels in zip(mask, lesion_voxels, strict=True):
        slice_mask.flat[:voxels] = True
    height = np.linspace(0, 1, count) if rel_z is None else np.array(rel_z)
    return SliceStack(patient, patient, "tumour", section, image, mask, height, np.diag([2.0, 2.0, 3.0, 1.0]))


def _both(**options):
    return [_stack([0, 9, 0, 9], patient=patient, **options) for patient in PATIENTS]


def test_share_at_the_boundaries():
    """One of 1000 voxels is not more than 0.1 %, none is healthy."""
    assert SlicePlan(**ALL).labels(_stack([0, 1, 2, 1000])) == {0: 0, 2: 1, 3: 1}
    assert SlicePlan(**ALL, min_share=0.0).labels(_stack([0, 1])) == {0: 0, 1: 1}


def test_heights_are_strict_and_counted_before_every():
    stack = _stack([0] * 5, rel_z=[0.32, 0.33, 0.5, 0.7, 0.86])
    assert list(SlicePlan().labels(stack)) == [1, 2, 3]
    assert list(SlicePlan(every=2).labels(stack)) == [1, 3]


def test_slices_without_contrast_are_left_out():
    stack = _stack([0, 0, 5])
    stack.image[1] = 7
    assert SlicePlan(**ALL).labels(stack) == {0: 0, 2: 1}


def test_background_is_a_share_of_the_slices_own_maximum():
    image = np.array([[0, 8, 9, 100]])
    np.testing.assert_array_equal(SlicePlan(background=0.08).without_background(image), [[0, 0, 9, 100]])
    np.testing.assert_array_equal(SlicePlan(background=0.08).without_background(image[:, :3]), [[0, 8, 9]])
    assert SlicePlan().without_background(image) is image


def test_a_patient_is_in_one_section_and_sections_follow_the_fractions():
    slices = choose_slices(_both(), SlicePlan(**ALL), Path("x.npz"))
    patients = {name: {entry["patient"] for entry in entries} for name, entries in slices.sections.items()}
    assert {name: len(part) for name, part in patients.items()} == {"training": 7, "validation": 1, "test": 2}
    assert set().union(*patients.values()) == set(PATIENTS)
    assert len(slices) == 40 and slices.shape == (50, 20)
    again = choose_slices(_both()[::-1], SlicePlan(**ALL), Path("x.npz"))
    assert {name: {entry["patient"] for entry in part} for name, part in again.sections.items()} == patients


def test_sections_of_a_datalist_are_kept_unless_fractions_are_given():
    stacks = [_stack([0, 9], patient=p, section="validation" if p < "d" else "training") for p in PATIENTS]
    kept = choose_slices(stacks, SlicePlan(**ALL), Path("x.json")).sections
    assert {entry["patient"] for entry in kept["validation"]} == {"a", "b", "c"} and kept["test"] == []
    fractions = {"training": 0.5, "validation": 0.2, "test": 0.3}
    split = choose_slices(stacks, SlicePlan(**ALL, fractions=fractions), Path("x.json")).sections
    assert {name: len(entries) for name, entries in split.items()} == {"training": 10, "validation": 4, "test": 6}


@pytest.mark.parametrize("shape", [(7, 8), (4, 3), (6, 5), (3, 9)], ids=str)
def test_fit_keeps_every_voxel_in_its_place(shape):
    image = np.arange(1, 31).reshape(6, 5)
    affine = np.array([[-2.0, 0, 0, 9], [0, 3, 0, -5], [0, 0, 4, 1], [0, 0, 0, 1]])
    fitted, moved = fit(image, affine, shape)
    assert fitted.shape == shape
    before = {nib.affines.apply_affine(affine, (*i, 0)).tobytes(): value for i, value in np.ndenumerate(image)}
    after = {nib.affines.apply_affine(moved, (*i, 0)).tobytes(): value for i, value in np.ndenumerate(fitted) if value}
    assert after.items() <= before.items()
    assert len(after) == min(6, shape[0]) * min(5, shape[1])


def test_shape_is_the_largest_along_each_axis_or_the_one_asked_for():
    stacks = [_stack([0, 9], patient=p, shape=(40, 9) if p < "c" else (20, 30)) for p in PATIENTS]
    assert choose_slices(stacks, SlicePlan(**ALL), Path("x")).shape == (40, 30)
    assert choose_slices(stacks, SlicePlan(**ALL, size=(64, 64)), Path("x")).shape == (64, 64)


def test_size_must_not_cut_the_head():
    stacks = _both()
    for stack in stacks:
        stack.image[:, :10], stack.mask[:, :2] = 0, False
    with pytest.raises(ValueError, match=r"x\.npz: .*, 46 x 20 cuts 40 of a's slice 0 \(50 x 20\); choose a larger"):
        choose_slices(stacks, SlicePlan(**ALL, size=(46, 20)), Path("x.npz"))


@pytest.mark.parametrize(("voxels", "found"), [(0, "20 healthy and 0"), (9, "0 healthy and 20")], ids=str)
def test_one_class_only(voxels, found):
    stacks = [_stack([voxels, voxels], patient=patient) for patient in PATIENTS]
    with pytest.raises(ValueError, match=rf"x\.npz: slices must be of both classes, got {found} path") as error:
        choose_slices(stacks, SlicePlan(**ALL), Path("x.npz"))
    assert "\n" not in str(error.value)


def test_section_with_one_class():
    stacks = [_stack([9, 9] if p == "a" else [0, 9], patient=p, section="training") for p in PATIENTS[1:]]
    stacks.append(_stack([9, 9], section="validation"))
    with pytest.raises(ValueError, match=r"x\.json: section 'validation' must hold .* got 0 healthy of 2"):
        choose_slices(stacks, SlicePlan(**ALL), Path("x.json"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"rel_z": (0.9, 0.1)}, "got 0.9 and 0.1", id="rel_z"),
        pytest.param({"min_share": 1.5}, "got 1.5", id="share"),
        pytest.param({"every": 0}, "got 0", id="every"),
        pytest.param({"background": 1.0}, "got 1", id="background"),
        pytest.param({"size": (1, 9)}, r"got \(1, 9\)", id="size"),
        pytest.param({"seed": -1}, "got -1", id="seed"),
    ],
)
def test_bad_plan(options, match):
    with pytest.raises(ValueError, match=match):
        SlicePlan(**options)
