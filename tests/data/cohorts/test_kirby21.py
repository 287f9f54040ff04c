from __future__ import annotations

import pytest

from bundle.data.cohorts.kirby21 import read_kirby21

RELEASE = [f"KKI2009-ALL-FLAIR/KKI2009-{number:02d}-FLAIR.nii.gz" for number in (1, 2, 25, 37)]


def _table(source, text, name="demographics.csv"):
    (source / name).write_text(text)


def test_both_scans_of_a_person(make_tree):
    source = make_tree(*RELEASE, "KKI2009-01/KKI2009-01-MPRAGE.nii.gz")
    _table(source, "Scan,Subject ID,Sex\nKKI2009-01,113,M\n2,142,F\nKKI2009-25,113,M\n37,142,F\n40,500,F\n")
    scans = read_kirby21(source)
    assert [(scan.subject, scan.patient) for scan in scans] == [
        ("KKI2009-01", "kirby21_113"),
        ("KKI2009-02", "kirby21_142"),
        ("KKI2009-25", "kirby21_113"),
        ("KKI2009-37", "kirby21_142"),
    ]
    assert {(scan.condition, scan.dataset, scan.site) for scan in scans} == {("healthy", "kirby21", "KKI")}


def test_other_table(make_tree):
    source = make_tree(*RELEASE[:1])
    _table(source, "MRI\tPerson\n01\tx\n", "b.tsv")
    _table(source, "unrelated\n1\n", "a.csv")
    options = {"scan_column": "mri", "subject_column": "person"}
    assert read_kirby21(source, demographics=source / "b.tsv", **options)[0].patient == "kirby21_x"


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        pytest.param({"a.csv": "scan,subject\n1,113\n"}, r"KKI2009-02-FLAIR.* a row in .*a\.csv", id="no_row"),
        pytest.param({"a.csv": "scan,subject\nKKI-1,113\n"}, "row 1: .*got 'KKI-1' and '113'", id="scan_name"),
        pytest.param({"a.csv": "scan,subject\n1,\n"}, "row 1: .*got '1' and ''", id="no_person"),
        pytest.param({"a.csv": "scan,subject\n1,7\n1,8\n"}, "row 2: .* got '8' for '1' after '7'", id="visit_number"),
        pytest.param({"a.csv": "scan,age\n1,30\n"}, "a column 'subject', got scan, age", id="no_column"),
        pytest.param({"a.csv": "x\n1\n", "b.tsv": "x\n1\n"}, "one table, got a.csv and b.tsv", id="two_tables"),
    ],
)
def test_bad_table(make_tree, tables, match):
    source = make_tree(*RELEASE)
    for name, text in tables.items():
        _table(source, text, name)
    with pytest.raises(ValueError, match=match):
        read_kirby21(source)


def test_missing_files(make_tree):
    source = make_tree("KKI2009-01-MPRAGE.nii.gz")
    with pytest.raises(FileNotFoundError, match=r"KKI2009-01-FLAIR\.nii\.gz, got none"):
        read_kirby21(source)
    with pytest.raises(FileNotFoundError, match="which scans are of one person is missing"):
        read_kirby21(make_tree(*RELEASE))
