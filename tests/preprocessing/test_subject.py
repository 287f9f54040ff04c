from __future__ import annotations

import json
import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bundle.preprocessing import Settings, list_subjects
from bundle.preprocessing import subject as module
from bundle.preprocessing.layout import record_file, result_files
from bundle.preprocessing.subject import is_complete, preprocess_subject, read_record, summary

SETTINGS = Settings(2.0, "none")


@pytest.fixture
def given(folder):
    return list_subjects(folder)[0]


@pytest.fixture
def output_dir(tmp_path):
    path = tmp_path / "out"
    for name in ("images", "masks", "transforms", "qc", "provenance"):
        (path / name).mkdir(parents=True)
    return path


def test_files_and_record(given, output_dir, no_search, brain):
    record = preprocess_subject(given, SETTINGS, output_dir)
    assert record["status"] == "done"
    assert json.loads(record_file(output_dir, "sub-1").read_text()) == record
    image = nib.load(output_dir / "images" / "sub-1_flair.nii.gz")
    np.testing.assert_array_equal(image.affine, SETTINGS.grid.affine)
    assert image.header["sform_code"] == image.header["qform_code"] == 4  # MNI
    assert nib.load(output_dir / "masks" / "sub-1_lesion.nii.gz").get_data_dtype() == np.uint8
    there, back = (
        sitk.ReadTransform(str(output_dir / "transforms" / f"sub-1_to_{space}.tfm")) for space in ("mni", "native")
    )
    np.testing.assert_allclose(back.TransformPoint(there.TransformPoint((10, 20, 30))), (10, 20, 30), atol=1e-6)
    assert record["native"]["shape"] == list(brain.image.shape) and len(record["inputs"]["image"]["sha256"]) == 64
    assert not (output_dir / ".partial" / "sub-1").exists()


def test_complete_until_something_changes(given, output_dir, no_search, folder):
    assert not is_complete(given, SETTINGS, output_dir)
    preprocess_subject(given, SETTINGS, output_dir)
    assert is_complete(given, SETTINGS, output_dir)
    assert not is_complete(given, replace(SETTINGS, n4=True), output_dir)
    os.utime(folder / "sub-1_flair.nii.gz", ns=(0, 0))
    assert is_complete(given, SETTINGS, output_dir)  # the same content
    (folder / "sub-1_lesion.nii.gz").write_bytes(b"other")
    assert not is_complete(given, SETTINGS, output_dir)
    (folder / "sub-1_lesion.nii.gz").unlink()
    assert not is_complete(given, SETTINGS, output_dir)


@pytest.mark.parametrize("file", result_files("sub-1", masked=True))
def test_not_complete_without_every_file(given, output_dir, no_search, file):
    preprocess_subject(given, SETTINGS, output_dir)
    (output_dir / file).unlink()
    assert not is_complete(given, SETTINGS, output_dir)


def test_failure_leaves_no_older_result(given, output_dir, no_search, folder):
    preprocess_subject(given, SETTINGS, output_dir)
    (folder / "sub-1_flair.nii.gz").write_bytes((folder / "sub-1_flair.nii.gz").read_bytes()[:1000])
    record = preprocess_subject(given, SETTINGS, output_dir)
    assert record["status"] == "failed" and "sub-1_flair.nii.gz: the file is truncated" in record["reason"]
    assert read_record(output_dir, "sub-1")["reason"] == record["reason"]
    assert [file for file in result_files("sub-1", masked=True) if (output_dir / file).exists()] == []


def test_output_that_cannot_be_written(given, output_dir, no_search):
    (output_dir / "images").rmdir()
    (output_dir / "images").write_text("a file")
    record = preprocess_subject(given, SETTINGS, output_dir)
    assert record["status"] == "failed" and "images" in record["reason"]


def test_record_that_cannot_be_written(given, output_dir, no_search):
    (output_dir / "provenance").rmdir()
    (output_dir / "provenance").write_text("a file")
    record = preprocess_subject(given, SETTINGS, output_dir)
    assert record["status"] == "failed" and "provenance" in record["reason"]


def test_unforeseen_errors_name_their_kind(given, output_dir, monkeypatch):
    def broken(*_):
        raise RuntimeError("ITK is\nunwell")

    monkeypatch.setattr(module, "preprocess", broken)
    assert preprocess_subject(given, SETTINGS, output_dir)["reason"] == "RuntimeError: ITK is unwell"


def test_broken_record(output_dir):
    record_file(output_dir, "a").write_text("{")
    assert read_record(output_dir, "a") is None


def test_summary():
    records = {"b": {"status": "failed", "reason": "no"}, "a": {"status": "done"}}
    assert summary(records) == "1 of 2 subjects done, 1 failed\n  b: no"
