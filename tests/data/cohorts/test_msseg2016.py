from __future__ import annotations

import pytest

from bundle.data.cohorts.msseg2016 import read_msseg2016


def _case(part, centre, patient):
    case = f"{part}/Center_{centre:02d}/Patient_{patient:02d}"
    return [
        *(f"{case}/Raw_Data/{name}.nii.gz" for name in ("FLAIR", "T1", "T2", "DP", "GADO")),
        *(f"{case}/Preprocessed_Data/{name}_preprocessed.nii.gz" for name in ("FLAIR", "T1")),
        *(f"{case}/Masks/{name}.nii.gz" for name in ("Consensus", "Brain_Mask", "ManualSegmentation_1")),
    ]


@pytest.mark.parametrize(
    ("variant", "file"),
    [("raw", "Raw_Data/FLAIR.nii.gz"), ("preprocessed", "Preprocessed_Data/FLAIR_preprocessed.nii.gz")],
)
def test_release_of_2021(make_tree, variant, file):
    source = make_tree(*_case("MSSEG/Training", 1, 1), *_case("MSSEG/Testing", 1, 1), *_case("MSSEG/Testing", 3, 2))
    scans = {scan.subject: scan for scan in read_msseg2016(source / "MSSEG", variant=variant)}
    assert {name: (scan.site, scan.sections) for name, scan in scans.items()} == {
        "MSSEG2016_Training_Center_01_Patient_01": ("center-01", ("training", "validation")),
        "MSSEG2016_Testing_Center_01_Patient_01": ("center-01", ("test",)),
        "MSSEG2016_Testing_Center_03_Patient_02": ("center-03", ("test",)),
    }
    case = source / "MSSEG/Testing/Center_03/Patient_02"
    scan = scans["MSSEG2016_Testing_Center_03_Patient_02"]
    assert (scan.image, scan.mask) == (case / file, case / "Masks/Consensus.nii.gz")
    assert (scan.condition, scan.patient, scan.dataset) == ("ms", scan.subject, "MSSEG2016")


def test_one_part_alone(make_tree):
    source = make_tree(*_case("MSSEG-Testing/Testing", 7, 7))
    (scan,) = read_msseg2016(source / "MSSEG-Testing/Testing")
    assert scan.sections == ("test",)


def test_release_of_2016(make_tree):
    folder = "Unprocessed training dataset/TrainingDataset_MSSEG"
    source = make_tree(
        f"{folder}/01016SACH/3DFLAIR.nii.gz",
        f"{folder}/01016SACH/ManualSegmentation_Consensus.nii.gz",
        f"{folder}/08002CHJE/3DFLAIR.nii.gz",
        f"{folder}/08002CHJE/Consensus.nii.gz",
        f"{folder}/08002CHJE/3DT1.nii.gz",
    )
    scans = read_msseg2016(source)
    assert [(scan.subject, scan.site, scan.mask.name, scan.sections[-1]) for scan in scans] == [
        ("MSSEG2016_01016SACH", "center-01", "ManualSegmentation_Consensus.nii.gz", "validation"),
        ("MSSEG2016_08002CHJE", "center-08", "Consensus.nii.gz", "validation"),
    ]


def test_no_part_named(make_tree):
    source = make_tree("data/Center_01/Patient_01/FLAIR.nii.gz")
    (scan,) = read_msseg2016(source / "data")
    assert (scan.subject, scan.mask, len(scan.sections)) == ("MSSEG2016_Center_01_Patient_01", None, 3)


def test_bad_sources(make_tree):
    source = make_tree(*_case("Training", 1, 1), "Training/FLAIR.nii.gz")
    with pytest.raises(ValueError, match="one of raw, preprocessed, got 'n4'"):
        read_msseg2016(source, variant="n4")
    with pytest.raises(ValueError, match=r"Training/FLAIR\.nii\.gz: .*got .*/Training; unpack"):
        read_msseg2016(source)
    with pytest.raises(FileNotFoundError, match=r"named FLAIR\.nii\.gz or 3DFLAIR\.nii\.gz, got none"):
        read_msseg2016(source / "Training/Center_01/Patient_01/Masks")
