from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from bundle.preprocessing import Settings, bias_field, list_subjects, preprocess
from bundle.preprocessing.pipeline import normalise, single_thread


def test_an_already_registered_brain_stays(folder, no_search, brain):
    result = preprocess(list_subjects(folder)[0], Settings(2.0, "none"))
    assert result.image.shape == result.mask.shape == (91, 109, 91)
    np.testing.assert_allclose(result.image[::2, ::2, ::2][brain.image > 0], brain.image[brain.image > 0], rtol=1e-5)
    np.testing.assert_array_equal(result.mask[::2, ::2, ::2], brain.mask)
    native, grid = result.lesion_ml["native"], result.lesion_ml["grid"]
    assert native == pytest.approx(brain.lesion_volume_ml) and grid == pytest.approx(native, rel=0.05)
    assert list(result.seconds) == ["read", "brain_extraction", "registration", "resampling"]


def test_n4_and_normalisation(folder, no_search, monkeypatch):
    monkeypatch.setattr(bias_field, "_ITERATIONS", (2,))
    result = preprocess(list_subjects(folder)[0], Settings(2.0, "mask", n4=True, normalise=True))
    values = result.image[result.image != 0]
    assert abs(np.median(values)) < 0.01
    assert 1.4826 * np.median(np.abs(values - np.median(values))) == pytest.approx(1, abs=0.01)
    assert "bias_correction" in result.seconds


def test_normalise_keeps_its_input():
    image = np.array([0, 1, 2, 3], np.float32).reshape(2, 2, 1)
    normalise(image)
    np.testing.assert_array_equal(image.ravel(), [0, 1, 2, 3])


def test_registers_for_real(folder):
    """The phantom's brain overlaps better with the template after registration than before."""
    subject = list_subjects(folder)[0]
    result = preprocess(subject, Settings(2.0, "none"))
    assert result.registration.overlap > 0.93
    determinant = np.linalg.det(np.reshape(result.registration.transform.GetMatrix(), (3, 3)))
    assert result.lesion_ml["grid"] * determinant == pytest.approx(result.lesion_ml["native"], rel=0.2)


def test_mask_on_another_grid(folder, no_search):
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), folder / "sub-1_lesion.nii.gz")
    with pytest.raises(
        ValueError, match=r"sub-1_lesion\.nii\.gz: a mask must have its image's shape .*got \(4, 5, 6\)"
    ):
        preprocess(list_subjects(folder)[0], Settings(2.0, "none"))


def test_single_thread_is_given_back():
    before = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    with single_thread():
        assert (torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()) == (1, 1)
    assert (torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()) == before
