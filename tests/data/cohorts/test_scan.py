from __future__ import annotations

from pathlib import Path

import pytest

from bundle.data.cohorts.scan import Scan, check_unique, find_nifti, list_nifti, nifti_stem, open_folder
from bundle.data.records import validate_datalist


def test_entry_is_valid_and_relative(tmp_path):
    healthy = Scan("a", "p", tmp_path / "data" / "a.nii.gz", "healthy")
    patient = Scan("b", "b", tmp_path / "b.nii.gz", "ms", tmp_path / "b_seg.nii.gz", "OFSEP", "Lyon", "RR")
    entries = [scan.entry(tmp_path / "lists") for scan in (healthy, patient)]
    assert validate_datalist({"training": entries}) == []
    assert entries[0]["image"] == "../data/a.nii.gz" and entries[0]["label"] == 0 and entries[0]["patient"] == "p"
    assert entries[1]["mask"] == "../b_seg.nii.gz" and entries[1]["label"] == 1
    assert set(entries[1]) - set(entries[0]) == {"mask"}


def test_name_of_a_data_set():
    scan = Scan("sub-01_ses-1", "sub-01", Path("a.nii"), "healthy", site="Lyon").of("IBC")
    assert (scan.subject, scan.patient, scan.dataset, scan.site) == ("IBC_sub-01_ses-1", "IBC_sub-01", "IBC", "Lyon")


def test_files_that_are_listed(make_tree):
    folder = make_tree("b/c_FLAIR.nii.gz", "a_FLAIR.nii", "._a_FLAIR.nii", ".git/x_FLAIR.nii.gz", "a_FLAIR.json")
    (folder / "gone_FLAIR.nii.gz").symlink_to("not/downloaded")
    names = [path.relative_to(folder).as_posix() for path in list_nifti(folder, "*_FLAIR")]
    assert names == ["a_FLAIR.nii", "b/c_FLAIR.nii.gz", "gone_FLAIR.nii.gz"]
    assert [nifti_stem(Path(name)) for name in names] == ["a_FLAIR", "c_FLAIR", "gone_FLAIR"]
    assert find_nifti(folder, ["absent", "gone_FLAIR", "a_FLAIR"]) == folder / "gone_FLAIR.nii.gz"
    assert find_nifti(folder, ["absent"]) is None


def test_source_that_is_no_folder(make_tree, monkeypatch):
    folder = make_tree("file.txt")
    with pytest.raises(FileNotFoundError, match=r"file\.txt: this reader needs a folder, found a file"):
        open_folder(folder / "file.txt")
    with pytest.raises(FileNotFoundError, match="absent: this reader needs a folder, found nothing"):
        open_folder(folder / "absent")
    monkeypatch.chdir(folder)
    assert open_folder(Path(".")) == folder


def test_subjects_that_stand_twice():
    scans = [Scan(subject, subject, Path(f"{number}.nii"), "ms") for number, subject in enumerate("abab")]
    with pytest.raises(ValueError, match=r"2\.nii: subject 'a' is also that of 0\.nii") as error:
        check_unique(scans)
    assert len(str(error.value).splitlines()) == 2
    check_unique(scans[:2])
