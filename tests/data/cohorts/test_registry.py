from __future__ import annotations

import pytest

from bundle.data.cohorts.registry import READERS, read_cohort


def test_sorted_by_subject(make_tree):
    source = make_tree("tumour/b_flair.nii", "tumour/c_flair.nii", "ms/z_flair.nii", "ms/a_flair.nii")
    assert [scan.subject for scan in read_cohort("folders", str(source))] == ["a", "b", "c", "z"]


def test_options_reach_the_reader(make_tree):
    source = make_tree("sub-01/anat/sub-01_FLAIR.nii.gz")
    assert read_cohort("bids", source, condition="healthy", dataset="x")[0].patient == "x_sub-01"


def test_unknown_reader(tmp_path):
    with pytest.raises(ValueError, match=r"one of bids, brats, .*, got 'dicom'"):
        read_cohort("dicom", tmp_path)


def test_same_subject_in_two_folders(make_tree):
    source = make_tree("tumour/a_flair.nii", "ms/a_flair.nii")
    with pytest.raises(ValueError, match=r"tumour/a_flair\.nii: subject 'a' is also that of .*ms/a_flair\.nii"):
        read_cohort("folders", source)


@pytest.mark.parametrize("name", sorted(set(READERS) - {"datalist", "edmus", "table"}))
def test_folder_that_is_missing(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent: this reader needs a folder, found nothing"):
        read_cohort(name, tmp_path / "absent")
