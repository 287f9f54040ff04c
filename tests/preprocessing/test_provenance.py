from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from bundle.preprocessing import Settings
from bundle.preprocessing.inputs import Subject
from bundle.preprocessing.provenance import describe_inputs, fingerprint, versions
from tests.dicom_files import oblique_affine, write_series


@pytest.fixture
def subject(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"abc")
    return Subject({"subject": "a", "image": str(tmp_path / "a.nii"), "label": 1, "condition": "ms"})


def test_inputs(subject):
    facts = describe_inputs(subject)["image"]
    assert facts["bytes"] == 3 and facts["sha256"] == hashlib.sha256(b"abc").hexdigest()


def test_a_file_of_the_same_size_and_time_is_not_read_again(subject, tmp_path):
    before = describe_inputs(subject)
    before["image"]["sha256"] = "noted"
    assert describe_inputs(subject, before)["image"]["sha256"] == "noted"
    os.utime(tmp_path / "a.nii", ns=(0, 0))
    assert describe_inputs(subject, before)["image"]["sha256"] == hashlib.sha256(b"abc").hexdigest()


def test_a_dicom_folder_is_described_by_its_files(tmp_path):
    files = write_series(tmp_path / "series", np.ones((4, 4, 3)), oblique_affine())
    subject = Subject({"subject": "a", "image": str(tmp_path / "series"), "label": 1})
    facts = describe_inputs(subject)["image"]
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert facts["sha256"] == hashlib.sha256("".join(hashes).encode()).hexdigest()
    assert facts["bytes"] == sum(file.stat().st_size for file in files)
    (tmp_path / "series" / "notes.txt").write_text("not a slice")
    files[0].rename(tmp_path / "series" / "renamed")
    assert describe_inputs(subject)["image"] == facts
    (tmp_path / "series" / "renamed").unlink()
    assert describe_inputs(subject)["image"]["sha256"] != facts["sha256"]


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"b\.nii: the file does not exist"):
        describe_inputs(Subject({"subject": "b", "image": str(tmp_path / "b.nii"), "label": 1}))


def test_fingerprint_is_of_contents_and_parameters(subject, tmp_path):
    settings = Settings(2.0, "none")
    before = fingerprint(subject, settings, describe_inputs(subject))
    os.utime(tmp_path / "a.nii", ns=(0, 0))
    assert fingerprint(subject, settings, describe_inputs(subject)) == before
    assert fingerprint(subject, replace(settings, n4=True), describe_inputs(subject)) != before
    assert fingerprint(replace(subject, section="training"), settings, describe_inputs(subject)) != before
    (tmp_path / "a.nii").write_bytes(b"abd")
    assert fingerprint(subject, settings, describe_inputs(subject)) != before


def test_versions():
    assert {"bundle", "SimpleITK", "nilearn"} <= set(versions())
