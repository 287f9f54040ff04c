"""Small brains, and a folder of them on disk."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bundle.data.phantom import make_subject
from bundle.preprocessing import pipeline
from bundle.preprocessing.registration import Registration


@pytest.fixture(scope="session")
def brain():
    """A synthetic MS brain at 4 mm, with its lesion mask."""
    return make_subject(5, 1, "ms", spacing_mm=4.0)


@pytest.fixture
def folder(tmp_path, brain):
    """A folder named ms with one subject, its lesion mask and its brain mask."""
    path = tmp_path / "ms"
    path.mkdir()
    for end, array in {
        "flair": brain.image.astype(np.int16),
        "lesion": brain.mask,
        "brain": (brain.image > 0).astype(np.uint8),
    }.items():
        nib.save(nib.Nifti1Image(array, brain.affine), path / f"sub-1_{end}.nii.gz")
    return path


@pytest.fixture
def no_search(monkeypatch):
    """Take every brain as registered already, for tests of what goes on around the registration."""
    registered = Registration(sitk.AffineTransform(3), mutual_information=0.5, overlap=0.9)
    monkeypatch.setattr(pipeline, "register", lambda image, brain: registered)
