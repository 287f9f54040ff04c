from __future__ import annotations

import pytest

from bundle.data.cohorts.edmus import read_edmus

EXPORT = (
    "Patient ID;Sex;Disease course;MRI date;Center;FLAIR\n"
    "P002;F;RR;31/03/2019;Lyon;p2/late.nii.gz\n"
    "P001;M;SP;2018-05-02;Rennes;p1/a.nii.gz\n"
    "P002;F;RR;02/11/2018;Lyon;p2/early.nii.gz\n"
    "P003;F;PP;01.01.2020;Lyon;\n"
)


def _write(folder, text, name="export.csv"):
    path = folder / name
    path.write_bytes(text.encode("cp1252"))
    return path


def test_visits_are_numbered_by_date(tmp_path, caplog):
    scans = read_edmus(_write(tmp_path, EXPORT))
    assert [(scan.subject, scan.patient, scan.image.name, scan.group, scan.site) for scan in scans] == [
        ("OFSEP_P001_visit-01", "OFSEP_P001", "a.nii.gz", "SP", "Rennes"),
        ("OFSEP_P002_visit-01", "OFSEP_P002", "early.nii.gz", "RR", "Lyon"),
        ("OFSEP_P002_visit-02", "OFSEP_P002", "late.nii.gz", "RR", "Lyon"),
    ]
    assert {(scan.condition, scan.label, scan.mask) for scan in scans} == {("ms", 1, None)}
    assert "1 of 4 rows name no FLAIR image" in caplog.text


def test_french_export_with_masks(tmp_path):
    header, row = "Identifiant Sexe Forme Date_IRM Chemin mask", "7 F primitive 20190331 a.nii m.nii"
    source = _write(tmp_path, f"{header}\n{row}\n".replace(" ", "\t"))
    (scan,) = read_edmus(source, columns={"image": "chemin"}, image_root=tmp_path / "irm", dataset="Lyon")
    assert (scan.image, scan.mask) == (tmp_path / "irm/a.nii", tmp_path / "irm/m.nii")
    assert (scan.subject, scan.group) == ("Lyon_7_visit-01", "primitive")


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        pytest.param("patient,date\n1,2019-01-01\n", {}, "a column 'flair', got patient, date", id="no_path"),
        pytest.param("patient,flair,date\n1,a.nii,March\n", {}, "'date' must be a date .*got 'March'", id="date"),
        pytest.param("patient,flair,date\n1,a.nii,\n", {}, "row 1: 'date' must be a date .*got ''", id="no_date"),
        pytest.param("patient,flair,date\n,a.nii,2019-01-01\n", {}, "row 1: 'patient' must not be empty", id="nobody"),
        pytest.param(
            "patient,flair,date,sex\n1,a,2019-01-01,F\n1,b,2020-01-01,M\n",
            {},
            "row 2: patient '1' must have one sex, got 'M' after 'F'",
            id="two_sexes",
        ),
        pytest.param("patient,flair,date\n1,a,2019-01-01\n", {"columns": {"edss": "x"}}, "got 'edss'", id="role"),
    ],
)
def test_bad_export(tmp_path, text, options, match):
    with pytest.raises(ValueError, match=match):
        read_edmus(_write(tmp_path, text), **options)
