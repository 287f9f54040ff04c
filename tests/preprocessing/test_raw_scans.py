from __future__ import annotations

import json
import logging
import sys

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bundle.preprocessing.raw_scans import RawScans, series_file


def no_brain(path):
    """Write a volume that has no background, which brain extraction 'none' refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((12, 12, 12)).astype(np.float32), np.eye(4)), path)


def subjects_of(scans):
    return [entry["subject"] for entry in json.loads(scans.datalist.read_text())["test"]]


@pytest.fixture
def mixed(tmp_path, brain, no_search):
    """A folder with a NIfTI file and its lesion mask, an .mha file and one that is no volume."""
    path = tmp_path / "raw"
    path.mkdir()
    nib.save(nib.Nifti1Image(brain.image, brain.affine), path / "a_flair.nii.gz")
    nib.save(nib.Nifti1Image(brain.mask[:-1], brain.affine), path / "a_seg.nii.gz")  # does not fit, and has no use
    image = sitk.GetImageFromArray(brain.image.T)
    image.SetSpacing((4.0, 4.0, 4.0))
    sitk.WriteImage(image, str(path / "b_flair.mha"))
    (path / "c_flair.mha").write_text("no volume")
    return path


def test_others_go_on_where_one_fails(tmp_path, brain, mixed, caplog):
    scans = RawScans(mixed, tmp_path / "out", brain_extraction="none")
    with caplog.at_level(logging.ERROR):
        scans.prepare()
    assert subjects_of(scans) == ["a", "b"] and set(scans.failed) == {"c"}
    assert "c: " in caplog.text and "c_flair.mha: the file is truncated" in caplog.text
    with pytest.raises(ValueError, match=r"^c: not segmented, .*c_flair\.mha: the file is truncated"):
        scans.check_all_done()
    native = nib.load(tmp_path / "out" / "preprocessed" / "native" / "b.nii.gz")
    np.testing.assert_array_equal(np.sort(native.get_fdata(), axis=None), np.sort(brain.image, axis=None))
    assert not series_file(scans.folder, "a").exists() and not series_file(scans.folder, "b").exists()


def test_second_run_takes_what_is_there(tmp_path, mixed):
    RawScans(mixed, tmp_path / "out", pattern="[ab]_*", brain_extraction="none").prepare()
    records = sorted((tmp_path / "out" / "preprocessed" / "provenance").glob("*.json"))
    before = [path.read_text() for path in records]
    again = RawScans(mixed, tmp_path / "out", pattern="[ab]_*", brain_extraction="none")
    again.prepare()
    again.check_all_done()
    assert [path.read_text() for path in records] == before and len(before) == 2


def test_none_can_be_prepared(tmp_path):
    for name in ("x", "y"):
        no_brain(tmp_path / "raw" / f"{name}.nii.gz")
    with pytest.raises(ValueError, match=r"x: not segmented, .*got 100 % voxels .*\ny: not segmented, .*got 100 %"):
        RawScans(tmp_path / "raw", tmp_path / "out", brain_extraction="none").prepare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"source": "none"}, "none: no such file or folder", id="missing"),
        pytest.param({"pattern": "z*"}, r"raw: there must be scans in files named 'z\*', got none", id="pattern"),
        pytest.param(
            {"source": "list.json", "section": "training"}, "scans in section 'training', got none", id="section"
        ),
        pytest.param({"source": "clash"}, "no scan may have the name 'preprocessed'", id="name"),
        pytest.param({"brain_extraction": "magic"}, "must be one of .*, got 'magic'", id="method"),
    ],
)
def test_bad_options(tmp_path, options, message):
    no_brain(tmp_path / "raw" / "x.nii.gz")
    no_brain(tmp_path / "clash" / "preprocessed.nii.gz")
    entry = {"subject": "x", "image": "raw/x.nii.gz", "label": 0}
    (tmp_path / "list.json").write_text(json.dumps({"test": [entry]}))
    arguments = {"brain_extraction": "none", **options, "source": tmp_path / options.get("source", "raw")}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        RawScans(output_dir=tmp_path / "out", **arguments).prepare()


def test_dicom_folders_and_datalist(tmp_path, brain, no_search):
    pytest.importorskip("pydicom")
    from tests.dicom_files import oblique_affine, write_series

    stored = np.rint(brain.image)
    files = write_series(tmp_path / "raw" / "Patient 1" / "flair", stored, oblique_affine((4, 4, 4), degrees=(0, 0, 0)))
    write_series(tmp_path / "raw" / "p2", stored, oblique_affine((4, 4, 4)), skip=[9])
    nib.save(nib.Nifti1Image(brain.image, brain.affine), tmp_path / "raw" / "a.nii.gz")
    scans = RawScans(tmp_path / "raw", tmp_path / "out", brain_extraction="none")
    scans.prepare()
    assert subjects_of(scans) == ["Patient-1_flair", "a"] and set(scans.failed) == {"p2"}
    assert "got 8.00 mm after slice 9 of" in scans.failed["p2"]
    note = json.loads(series_file(scans.folder, "Patient-1_flair").read_text())
    assert note["files"] == [str(file) for file in files] and note["description"] == "AX FLAIR"
    native = nib.load(scans.folder / "native" / "Patient-1_flair.nii.gz")
    np.testing.assert_array_equal(native.get_fdata(), stored)

    entry = {"subject": "one", "image": "raw/Patient 1/flair", "label": 1}
    (tmp_path / "list.json").write_text(json.dumps({"test": [entry]}))
    listed = RawScans(tmp_path / "list.json", tmp_path / "listed", brain_extraction="none")
    listed.prepare()
    assert subjects_of(listed) == ["one"] and series_file(listed.folder, "one").is_file()
    result = tmp_path / "raw" / "results" / "p2" / "p2_anomaly.dcm"
    result.parent.mkdir(parents=True)
    result.write_bytes(files[0].read_bytes())
    below = RawScans(tmp_path / "raw", tmp_path / "raw" / "results")
    assert [subject.name for subject in below.subjects()] == ["Patient-1_flair", "p2", "a"], "not its own results"
    alone = RawScans(tmp_path / "raw" / "p2", tmp_path / "alone")
    assert [subject.name for subject in alone.subjects()] == ["p2"]


def test_without_highdicom(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "slice").write_bytes(b"\0" * 128 + b"DICM")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ValueError, match=r"raw: not segmented, DICOM needs .*highdicom cannot .* pip install pydicom"):
        RawScans(tmp_path / "raw", tmp_path / "out", brain_extraction="none").prepare()
