from __future__ import annotations

import pytest

from bundle.data.cohorts.brats import read_brats

ROOT_2019, ROOT_2020 = "MICCAI_BraTS_2019_Data_Training", "MICCAI_BraTS2020_TrainingData"
HEADER_2019 = "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID"
HEADER_2020 = f"{HEADER_2019},BraTS_2020_subject_ID"


def _case(folder, name, modalities=("flair", "seg", "t1", "t1ce", "t2")):
    return [f"{folder}/{name}/{name}_{modality}.nii.gz" for modality in modalities]


def test_2019(make_tree):
    source = make_tree(
        *_case(f"{ROOT_2019}/HGG", "BraTS19_CBICA_AAB_1"),
        *_case(f"{ROOT_2019}/HGG", "BraTS19_2013_11_1"),
        *_case(f"{ROOT_2019}/LGG", "BraTS19_TCIA10_628_1"),
    )
    scans = {scan.subject: scan for scan in read_brats(source / ROOT_2019)}
    assert {name: (scan.group, scan.site) for name, scan in scans.items()} == {
        "BraTS19_CBICA_AAB_1": ("HGG", "CBICA"),
        "BraTS19_2013_11_1": ("HGG", "2013"),
        "BraTS19_TCIA10_628_1": ("LGG", "TCIA10"),
    }
    scan = scans["BraTS19_CBICA_AAB_1"]
    assert scan.image == source / ROOT_2019 / "HGG/BraTS19_CBICA_AAB_1/BraTS19_CBICA_AAB_1_flair.nii.gz"
    assert scan.mask == scan.image.with_name("BraTS19_CBICA_AAB_1_seg.nii.gz")
    assert (scan.patient, scan.condition, scan.dataset) == ("BraTS19_CBICA_AAB_1", "tumour", "BraTS2019")


def test_2020_and_its_names_in_2019(make_tree):
    source = make_tree(
        *_case(ROOT_2020, "BraTS20_Training_001"),
        *_case(ROOT_2020, "BraTS20_Training_260"),
        *_case(ROOT_2020, "BraTS20_Training_355", ("flair", "t1")),
        f"{ROOT_2020}/BraTS20_Training_355/W39_1998.09.19_Segm.nii.gz",
        *_case("MICCAI_BraTS2020_ValidationData", "BraTS20_Validation_001", ("flair",)),
        f"{ROOT_2020}/survival_info.csv",
    )
    (source / ROOT_2020 / "name_mapping.csv").write_text(
        f"{HEADER_2020}\nHGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001\n"
        "LGG,NA,NA,NA,NA,BraTS20_Training_260\n"
    )
    scans = {scan.subject: scan for scan in read_brats(source)}
    assert {name: (scan.patient, scan.group, scan.site, scan.mask is None) for name, scan in scans.items()} == {
        "BraTS20_Training_001": ("Brats17_CBICA_AAB_1", "HGG", "CBICA", False),
        "BraTS20_Training_260": ("BraTS20_Training_260", "LGG", "", False),
        "BraTS20_Training_355": ("BraTS20_Training_355", "", "", False),
        "BraTS20_Validation_001": ("BraTS20_Validation_001", "", "", True),
    }
    assert scans["BraTS20_Training_355"].mask.name == "W39_1998.09.19_Segm.nii.gz"
    assert {scan.dataset for scan in scans.values()} == {"BraTS2020"}


def test_one_person_in_two_years(make_tree):
    source = make_tree(*_case(f"{ROOT_2019}/HGG", "BraTS19_CBICA_AAB_1"), *_case(ROOT_2020, "BraTS20_Training_001"))
    (source / ROOT_2019 / "name_mapping.csv").write_text(f"{HEADER_2019}\nHGG,NA,Brats18_X_1,NA,BraTS19_CBICA_AAB_1\n")
    (source / ROOT_2020 / "name_mapping.csv").write_text(
        f"{HEADER_2020}\nHGG,NA,Brats18_X_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001\n"
    )
    assert {scan.patient for year in (ROOT_2019, ROOT_2020) for scan in read_brats(source / year)} == {"Brats18_X_1"}


def test_bad_sources(make_tree):
    with pytest.raises(FileNotFoundError, match=r"BraTS20_Training_001_flair\.nii\.gz or the like, got none"):
        read_brats(make_tree("a/a_flair.nii.gz"))
    source = make_tree(*_case(ROOT_2020, "BraTS20_Training_001"))
    (source / ROOT_2020 / "name_mapping.csv").write_text("grading,name\nHGG,x\n")
    with pytest.raises(ValueError, match=r"name_mapping\.csv: .*'Grade', got grading, name"):
        read_brats(source)
