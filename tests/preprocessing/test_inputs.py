from __future__ import annotations

import json

import numpy as np
import pytest

from bundle.conventions import MASK
from bundle.preprocessing.inputs import BRAIN, Subject, list_subjects
from tests.dicom_files import oblique_affine, write_series


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_folder_with_masks_beside(tmp_path):
    folder = touch(tmp_path / "tumour", "a_flair.nii.gz", "a_seg.nii.gz", "b_flair.mha", "b_brain.nii")
    first, second = list_subjects(folder)
    assert first.name == "a" and first.files[MASK] == str(folder / "a_seg.nii.gz") and BRAIN not in first.files
    assert second.name == "b" and second.files[BRAIN] == str(folder / "b_brain.nii") and MASK not in second.files
    assert first.facts == {"subject": "a", "label": 1, "condition": "tumour"} and first.section == "test"


def test_folder_without_such_names(tmp_path):
    folder = touch(tmp_path / "healthy", "x.nii.gz", "y.MHA", ".hidden.nii", "notes.txt", "deeper/z.nii")
    subjects = list_subjects(folder)
    assert [subject.name for subject in subjects] == ["x", "y"]
    assert [subject.facts["label"] for subject in subjects] == [0, 0]
    assert list_subjects(folder / "x.nii.gz", condition="ms")[0].facts["label"] == 1


def test_datalist(tmp_path):
    touch(tmp_path, "i/1.nii.gz", "i/2.nii.gz")
    entries = [
        {"subject": "s1", "image": "i/1.nii.gz", "label": 0, "site": "A"},
        {"subject": "s2", "image": "i/2.nii.gz", "label": 1, "mask": "m/2.nii.gz", "patient": "p", "brain": "/b.nii"},
    ]
    (tmp_path / "datalist.json").write_text(json.dumps({"training": entries}))
    first, second = list_subjects(tmp_path / "datalist.json")
    assert first.section == "training" and first.facts["condition"] == "healthy" and first.facts["site"] == "A"
    assert second.files == {
        "image": str(tmp_path / "i/2.nii.gz"),
        "mask": str(tmp_path / "m/2.nii.gz"),
        "brain": "/b.nii",
    }
    assert second.facts["patient"] == "p"


def test_bids(tmp_path):
    image = "sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz"
    mask = "derivatives/experts/sub-01/ses-2/anat/sub-01_ses-2_label-lesion_mask.nii.gz"
    folder = touch(tmp_path / "set", image, mask, "dataset_description.json")
    (folder / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tms\n")
    (subject,) = list_subjects(folder, condition_column="group")
    assert subject.files == {"image": str(folder / image), "mask": str(folder / mask)}
    assert subject.facts["condition"] == "ms" and subject.facts["patient"] == "set_sub-01"


def test_dicom_series_in_folders(tmp_path):
    """Series are named after their folders; files that only look like DICOM, and hidden folders, hold none."""
    folder = tmp_path / "healthy"
    for name in ("p 1/AX FLAIR", "p 2", ".trash/p"):
        write_series(folder / name, np.ones((4, 4, 3)), oblique_affine())
    touch(folder, "p3/IM0001", "scan_flair.nii.gz")
    first, second, volume = list_subjects(folder)
    assert [first.name, second.name, volume.name] == ["p-1_AX-FLAIR", "p-2", "scan"]
    assert first.files == {"image": str(folder / "p 1/AX FLAIR")}
    assert first.facts == {"subject": first.name, "label": 0, "condition": "healthy"}
    assert list_subjects(folder / "p 2", condition="ms")[0].facts == {"subject": "p-2", "label": 1, "condition": "ms"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("none", "none: no such file or folder", id="missing"),
        pytest.param(
            "empty", r"empty: the folder must hold files \.nii\.gz, \.nii, \.mha or DICOM, got none", id="empty"
        ),
        pytest.param("a.dcm", r"a\.dcm: an input must be a folder, a \.json datalist or a file", id="format"),
        pytest.param("twice", "a subject must have one image, got several of a", id="twice"),
    ],
)
def test_bad_source(tmp_path, name, message):
    touch(tmp_path, "a.dcm", "empty/notes.txt", "twice/a.nii", "twice/a.nii.gz")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        list_subjects(tmp_path / name)


def test_bad_name():
    with pytest.raises(ValueError, match=r"letters, digits, .* got '\.\./a'"):
        Subject({"subject": "../a", "image": "a.nii", "label": 0})
