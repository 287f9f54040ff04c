from __future__ import annotations

import pytest

from bundle.data.cohorts.folders import read_folders


def test_folders_become_conditions(make_tree):
    source = make_tree(
        *("tumour/a_flair.nii.gz", "tumour/a_seg.nii.gz", "ms/b_flair.nii.gz", "ms/b_lesion.nii.gz"),
        *("ms/c_flair.nii", "healthy/deep/d_flair.nii.gz", "notes/readme.txt", "table.npz"),
    )
    scans = read_folders(source)
    assert [(scan.subject, scan.condition, scan.label, scan.mask and scan.mask.name) for scan in scans] == [
        ("d", "healthy", 0, None),
        ("b", "ms", 1, "b_lesion.nii.gz"),
        ("c", "ms", 1, None),
        ("a", "tumour", 1, "a_seg.nii.gz"),
    ]
    assert {scan.dataset for scan in scans} == {source.name}


def test_one_condition_and_persons(make_tree):
    source = make_tree("controls/sub-01_ses-1_flair.nii.gz", "controls/sub-01_ses-2_flair.nii.gz")
    scans = read_folders(
        source / "controls", conditions={"controls": "healthy"}, patient_pattern="sub-[0-9]+", dataset="mine"
    )
    assert [(scan.subject, scan.patient, scan.condition) for scan in scans] == [
        ("mine_sub-01_ses-1", "mine_sub-01", "healthy"),
        ("mine_sub-01_ses-2", "mine_sub-01", "healthy"),
    ]


def test_files_named_by_the_suffix_alone(make_tree):
    source = make_tree("ms/p1/FLAIR.nii.gz", "ms/p1/lesions.nii.gz", "ms/p2/FLAIR.nii.gz")
    first, second = read_folders(source, image_suffix="FLAIR", mask_suffix=["lesions"])
    assert (first.subject, second.subject) == ("p1", "p2")
    assert first.mask == source / "ms/p1/lesions.nii.gz" and second.mask is None


def test_masks_are_no_images(make_tree):
    (scan,) = read_folders(make_tree("ms/a.nii.gz", "ms/a_seg.nii.gz"), image_suffix="")
    assert (scan.subject, scan.mask.name) == ("a", "a_seg.nii.gz")


@pytest.mark.parametrize(
    ("names", "options", "match"),
    [
        pytest.param(["ms/a_flair.nii", "b_flair.nii"], {}, "got b_flair.nii beside folders", id="direct_and_nested"),
        pytest.param(["ms/a_flair.nii", "hc/b.nii"], {}, r"hc: .* none named \*_flair", id="folder_of_other_names"),
        pytest.param(["controls/a_flair.nii"], {}, "a_flair.nii: 'controls' seems to mean healthy", id="controls"),
        pytest.param(["ms/a_flair.nii"], {"patient_pattern": "P[0-9]"}, "'a' must hold the pattern 'P", id="pattern"),
        pytest.param(["ms/a_flair.nii"], {"patient_pattern": "P["}, r"expression, got 'P\[' \(unter", id="expression"),
    ],
)
def test_bad_folders(make_tree, names, options, match):
    with pytest.raises(ValueError, match=match):
        read_folders(make_tree(*names), **options)


def test_no_image(make_tree):
    with pytest.raises(FileNotFoundError, match=r"files named \*_flair\.nii\.gz, got none"):
        read_folders(make_tree("ms/a.nii.gz"))
