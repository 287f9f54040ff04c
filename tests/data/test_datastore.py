from __future__ import annotations

import os

import nibabel as nib
import numpy as np
import pytest

from bundle.data.datastore import SERVER_VARIABLE, ReadImageLabeld, image_labels, training_folder


@pytest.fixture
def save(tmp_path):
    def write(name, array):
        nib.save(nib.Nifti1Image(np.asarray(array, np.float32), np.eye(4)), tmp_path / name)
        return str(tmp_path / name)

    return write


def test_an_empty_mask_means_healthy(save):
    lesion = np.zeros((3, 4, 5))
    empty = save("empty.nii.gz", lesion)
    lesion[1, 1, 1] = 1
    marked, image = save("marked.nii.gz", lesion), save("a.b.nii.gz", np.ones((3, 4, 5)))
    entries = [{"image": image, "label": empty}, {"image": image, "label": marked}]
    assert image_labels(entries) == [
        {"subject": "a.b", "image": image, "label": 0},
        {"subject": "a.b", "image": image, "label": 1, "mask": marked},
    ]
    assert ReadImageLabeld()(entries[1]) == image_labels(entries)[1]
    assert entries[0] == {"image": image, "label": empty}, "the given entries stay"


def test_entries_of_a_datalist_stay_as_they_are():
    entries = [{"subject": "one", "image": "one.nii.gz", "label": 1, "condition": "ms"}]
    assert image_labels(entries) == entries


def test_a_mask_of_another_image(save):
    image, mask = save("image.nii.gz", np.ones((3, 4, 5))), save("mask.nii.gz", np.ones((3, 4, 6)))
    with pytest.raises(ValueError, match=r"mask.nii.gz: a mask must have its image's shape .* got \(3, 4, 6\)"):
        image_labels([{"image": image, "label": mask}])
    with pytest.raises(FileNotFoundError, match=r"none.nii.gz: the file does not exist"):
        image_labels([{"image": image, "label": "none.nii.gz"}])


def test_each_training_of_a_server_has_a_folder_of_its_own(monkeypatch):
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    assert training_folder("root") == os.path.join("root", "runs", "default")
    monkeypatch.setenv(SERVER_VARIABLE, "/app")
    folder, name = os.path.split(training_folder("root"))
    assert folder == os.path.join("root", "runs") and name.startswith("monai_label_20")
