from __future__ import annotations

import errno

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImaged

from bundle.data.writer import AtomicNibabelWriter

AFFINE = np.diag([-2.0, 2, 3, 1])


def _write(path, value):
    writer = AtomicNibabelWriter()
    writer.set_data_array(np.full((1, 4, 5, 6), value, np.float32))
    writer.set_metadata({"affine": AFFINE, "original_affine": AFFINE, "spatial_shape": (4, 5, 6)})
    writer.write(path)


def test_save_through_monai(tmp_path):
    image = MetaTensor(torch.rand(1, 4, 5, 6), affine=torch.as_tensor(AFFINE))
    image.meta["filename_or_obj"] = "in/sub-01.nii.gz"
    save = SaveImaged(
        "image",
        output_dir=tmp_path,
        output_postfix="pred",
        writer="bundle.data.AtomicNibabelWriter",
        separate_folder=False,
        print_log=False,
    )
    save({"image": image})
    saved = nib.load(tmp_path / "sub-01_pred.nii.gz")
    np.testing.assert_array_equal(saved.get_fdata(), image.numpy()[0])
    np.testing.assert_array_equal(saved.affine, AFFINE)
    assert [path.name for path in tmp_path.iterdir()] == ["sub-01_pred.nii.gz"]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    _write(path, 1.0)

    def full_disk(image, filename):
        filename.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("monai.data.image_writer.nib.save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        _write(path, 2.0)
    assert [file.name for file in tmp_path.iterdir()] == ["a.nii.gz"]
    np.testing.assert_array_equal(nib.load(path).get_fdata(), 1.0)
