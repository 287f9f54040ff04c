from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from scipy import ndimage

from bundle.preprocessing import Settings, list_subjects, pipeline, run
from bundle.preprocessing.registration import Registration
from bundle.preprocessing.to_native import ToNatived

SLOPE, OFFSET = np.array([0.02, -0.03, 0.05]), 4.0  # of a map that is linear in MNI space, RAS+ mm


@pytest.fixture
def transform():
    """Template to subject: turned, stretched and moved."""
    transform = sitk.AffineTransform(3)
    transform.Rotate(0, 1, 0.2)
    transform.Rotate(1, 2, -0.1)
    transform.Scale([0.95, 1.04, 1.0])
    transform.SetTranslation([5.0, -8.0, 3.0])
    return transform


@pytest.fixture
def prepared(tmp_path, brain, transform, monkeypatch):
    """One subject, whose axes run up, to the left and to the front, and the folder it was preprocessed into."""
    registered = Registration(transform, mutual_information=0.5, overlap=0.9)
    monkeypatch.setattr(pipeline, "register", lambda image, brain: registered)
    image = nib.Nifti1Image(brain.image, brain.affine)
    turned = nib.orientations.ornt_transform(nib.io_orientation(brain.affine), nib.orientations.axcodes2ornt("SLA"))
    (tmp_path / "raw").mkdir()
    nib.save(image.as_reoriented(turned), tmp_path / "raw" / "sub-1.nii.gz")
    dict(run(list_subjects(tmp_path / "raw"), Settings(2.0, "none"), tmp_path / "out", workers=1))
    return tmp_path / "out"


def item_of(prepared):
    """What postprocessing holds of the subject: a map that is linear in the coordinates of MNI space."""
    image = nib.load(prepared / "images" / "sub-1_flair.nii.gz")
    array = image.get_fdata(dtype=np.float32)
    at = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(array.shape), 0, -1))
    affine = torch.as_tensor(image.affine)
    linear = MetaTensor(torch.as_tensor((at @ SLOPE + OFFSET)[None], dtype=torch.float32), affine=affine)
    return {"subject": "sub-1", "intensity": MetaTensor(torch.as_tensor(array[None]), affine=affine), "map": linear}


def test_linear_map_is_exact(prepared, transform, tmp_path):
    result = ToNatived("map", prepared)(item_of(prepared))
    source = nib.load(tmp_path / "raw" / "sub-1.nii.gz")
    brain = result["intensity"][0].numpy() != 0
    inside = ndimage.binary_erosion(brain, iterations=2)
    assert inside.sum() > 5000
    back, flip = transform.GetInverse(), np.diag([-1.0, -1.0, 1.0])
    points = nib.affines.apply_affine(source.affine, np.argwhere(inside)) @ flip
    there = np.array([back.TransformPoint(point.tolist()) for point in points]) @ flip
    np.testing.assert_allclose(result["map"][0].numpy()[inside], there @ SLOPE + OFFSET, atol=1e-4)
    edge = brain & ~inside
    assert result["map"][0].numpy()[edge].min() > 0, "divided by the support, a map keeps its height at the edge"
    assert not result["map"][0].numpy()[~brain].any()


def test_intensity_is_that_of_the_scan(prepared, tmp_path):
    result = ToNatived("map", prepared)(item_of(prepared))
    source = nib.load(tmp_path / "raw" / "sub-1.nii.gz")
    scan, found = source.get_fdata(), result["intensity"][0].numpy()
    brain = found != 0
    assert abs(found[brain].mean()) < 1e-5 and found[brain].std() == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(scan[brain], found[brain])[0, 1] > 0.999999
    overlap = 2 * (brain & (scan > 0)).sum() / (brain.sum() + (scan > 0).sum())
    assert overlap > 0.98, "the brain that came back is the one that went in"
    assert result["intensity"].meta["filename_or_obj"] == str(tmp_path / "raw" / "sub-1.nii.gz")
    np.testing.assert_allclose(result["intensity"].affine, source.affine)
    assert (
        ToNatived("none", prepared, allow_missing_keys=True)(item_of(prepared))["intensity"].shape == found[None].shape
    )


def test_subject_that_was_not_preprocessed(prepared):
    with pytest.raises(ValueError, match="'sub-2' must have been preprocessed here"):
        ToNatived("map", prepared)({**item_of(prepared), "subject": "sub-2"})


def test_transform_that_leads_elsewhere(prepared):
    away = sitk.TranslationTransform(3, [900.0, 0.0, 0.0])
    sitk.WriteTransform(away, str(prepared / "transforms" / "sub-1_to_native.tfm"))
    with pytest.raises(ValueError, match=r"sub-1\.nii\.gz: no brain lies on the native grid; .*qc/sub-1\.png"):
        ToNatived("map", prepared)(item_of(prepared))
