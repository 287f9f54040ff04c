from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bundle.preprocessing import Settings, list_subjects, restore_masks, run


@pytest.fixture
def flipped(tmp_path, brain):
    """A folder whose subject's axes run to the left and to the front, in slices along the first one."""
    path = tmp_path / "flipped"
    path.mkdir()
    for end, array in {"flair": brain.image, "lesion": brain.mask}.items():
        image = nib.Nifti1Image(array, brain.affine)
        turned = nib.orientations.axcodes2ornt(("S", "L", "A"))
        nib.save(
            image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), turned)),
            path / f"sub-1_{end}.nii",
        )
    return path


def test_back_to_the_axes_of_the_file(tmp_path, flipped):
    """With the real registration."""
    output_dir = tmp_path / "out"
    dict(run(list_subjects(flipped), Settings(2.0, "none"), output_dir, workers=1))
    (written,) = restore_masks(output_dir / "masks", output_dir)
    found, truth = nib.load(written), nib.load(flipped / "sub-1_lesion.nii")
    np.testing.assert_allclose(found.affine, truth.affine)
    back, lesion = np.asarray(found.dataobj) > 0, np.asarray(truth.dataobj) > 0
    assert 2 * (back & lesion).sum() / (back.sum() + lesion.sum()) > 0.9


def test_no_masks(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold masks named <subject>"):
        list(restore_masks(tmp_path, tmp_path))


def test_mask_of_nobody(tmp_path, brain):
    nib.save(nib.Nifti1Image(brain.mask, brain.affine), tmp_path / "other.nii.gz")
    with pytest.raises(ValueError, match=r"other\.nii\.gz: a mask must be named after a subject"):
        list(restore_masks(tmp_path, tmp_path / "out"))
