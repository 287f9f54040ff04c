from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_limits

from bundle.data.phantom import CONDITIONS, draw_subject, make_subject, render_subject, subject_scanner

SPACING_MM = 4.0


@pytest.fixture(scope="module")
def subjects():
    """The same subject in every condition."""
    return {condition: make_subject(3, 11, condition, spacing_mm=SPACING_MM) for condition in CONDITIONS}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_same_seed_same_bytes(subjects, condition):
    again = make_subject(3, 11, condition, spacing_mm=SPACING_MM)
    assert again.image.tobytes() == subjects[condition].image.tobytes()
    assert again.mask.tobytes() == subjects[condition].mask.tobytes()
    replay = render_subject(subjects[condition].parameters, SPACING_MM)
    assert replay.image.tobytes() == again.image.tobytes()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_form(subjects, condition):
    subject = subjects[condition]
    assert subject.image.shape == subject.mask.shape == (46, 55, 46)
    assert (subject.image.dtype, subject.mask.dtype) == (np.float32, np.uint8)
    np.testing.assert_array_equal(subject.image, np.rint(subject.image))
    assert 0 == subject.image.min() < subject.image.max() <= 32767
    assert 800 < (subject.image > 0).sum() * SPACING_MM**3 / 1000 < 2600  # ml of brain
    assert set(np.unique(subject.mask)) == ({0} if condition == "healthy" else {0, 1})
    assert (subject.image[subject.mask > 0] > 0).all()
    assert subject.lesion_volume_ml == pytest.approx(subject.mask.sum() * SPACING_MM**3 / 1000)
    assert subject.parameters.label == (condition != "healthy")


@pytest.mark.parametrize(("seed", "index"), [(3, 12), (4, 11)], ids=["other_subject", "other_seed"])
def test_other_subject_has_another_brain(subjects, seed, index):
    other = make_subject(seed, index, "healthy", spacing_mm=SPACING_MM)
    ours, theirs = subjects["healthy"].image > 0, other.image > 0
    assert (ours & theirs).sum() / (ours | theirs).sum() < 0.95


def test_sclerosis_changes_the_healthy_twin_at_the_lesions_only(subjects):
    healthy, ill = subjects["healthy"], subjects["ms"]
    near = ndimage.binary_dilation(ill.mask, iterations=6)
    np.testing.assert_array_equal(healthy.image[~near], ill.image[~near])
    inside = ill.mask > 0
    assert np.median(ill.image[inside] / healthy.image[inside]) > 1.1


def test_tumour_displaces_the_healthy_twin_within_the_same_skull(subjects):
    healthy, ill = subjects["healthy"], subjects["tumour"]
    np.testing.assert_array_equal(healthy.image > 0, ill.image > 0)
    far = (ndimage.distance_transform_edt(ill.mask == 0) > 12) & (ill.image > 0)  # 48 mm
    change = np.abs(ill.image[far] - healthy.image[far]) / healthy.image[far].mean()
    assert np.mean(change < 0.01) > 0.95


@pytest.mark.parametrize("condition", ["tumour", "ms"])
def test_subject_is_the_same_at_another_spacing(subjects, condition):
    fine = render_subject(subjects[condition].parameters, 2.0)
    assert fine.image.shape == (91, 109, 91)
    # 4 mm voxels lie on every second 2 mm voxel
    coarse, there = subjects[condition].mask > 0, fine.mask[::2, ::2, ::2] > 0
    assert 2 * (coarse & there).sum() / (coarse.sum() + there.sum()) > 0.75
    assert fine.lesion_volume_ml == pytest.approx(subjects[condition].lesion_volume_ml, rel=0.25)


def test_unknown_condition():
    with pytest.raises(ValueError, match="healthy, tumour, ms, got 'stroke'"):
        draw_subject(0, 0, "stroke")


def test_scanner_does_not_move_the_other_draws():
    plain, tied = (draw_subject(0, 5, "healthy", scanner_signature=strength) for strength in (0.0, 1.0))
    assert tied.acquisition.scanner == 0
    assert tied.acquisition.noise_seed == plain.acquisition.noise_seed
    np.testing.assert_array_equal(tied.anatomy.linear, plain.anatomy.linear)


def test_full_resolution():
    subject = make_subject(0, 0, "healthy", spacing_mm=1.0)
    assert subject.image.shape == (182, 218, 182)
    np.testing.assert_array_equal(subject.affine, [[1, 0, 0, -91], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
    assert 800 < (subject.image > 0).sum() / 1000 < 2600  # ml of brain


def test_scanner_can_be_known_without_drawing_the_rest():
    for index in range(6):
        for strength in (0.0, 0.7, 1.0):
            drawn = draw_subject(2, index, "healthy", scanner_signature=strength)
            assert subject_scanner(2, index, "healthy", strength) == drawn.acquisition.scanner


def test_result_does_not_depend_on_the_number_of_threads(subjects):
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            again = make_subject(3, 11, "tumour", spacing_mm=SPACING_MM)
        assert again.image.tobytes() == subjects["tumour"].image.tobytes()
