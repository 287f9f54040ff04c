from __future__ import annotations

import math

import pytest

from bundle.report.comparison_csv import distinct, read_comparison, select

RESULTS = "cohort,method,estimator,seed,condition,score,metric,value\n"
SUBJECTS = "cohort,method,estimator,seed,condition,subject,patient,score,metric,value\n"
ROW = "c,unsup,g,0,ms,attribution,dice,{}\n"
SUBJECT_ROW = "c,unsup,g,0,ms,s,,attribution,dice,0.5\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results.csv").write_text(RESULTS + ROW.format("0.25") + ROW.format(""))
    (tmp_path / "subjects.csv").write_text(SUBJECTS + SUBJECT_ROW)
    return tmp_path


def test_numbers_and_text(folder):
    comparison = read_comparison(folder)
    assert comparison.results[0]["value"] == 0.25 and math.isnan(comparison.results[1]["value"])
    assert comparison.subjects[0]["seed"] == "0" and comparison.subjects[0]["patient"] == ""
    assert comparison.agreement == comparison.dice_over_threshold == comparison.histograms == []


def test_select_and_distinct():
    rows = [{"a": "x", "b": "1"}, {"a": "y", "b": "1"}, {"a": "x", "b": "2"}]
    assert select(rows, a="x", b="2") == [rows[2]]
    assert distinct(rows, "a") == ["x", "y"]


@pytest.mark.parametrize("name", ["results.csv", "subjects.csv"])
def test_absent_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"must have {name}, no such file: .*{name}"):
        read_comparison(folder)


@pytest.mark.parametrize("name", ["results.csv", "agreement.csv"])
def test_empty_file(folder, name):
    (folder / name).write_text("")
    with pytest.raises(ValueError, match=rf"{name} must hold a header and rows, got an empty file"):
        read_comparison(folder)


def test_header_alone(folder):
    (folder / "agreement.csv").write_text("cohort,method,seed,map_1,map_2,condition,subject,pearson\n")
    assert read_comparison(folder).agreement == []
    (folder / "results.csv").write_text(RESULTS)
    with pytest.raises(ValueError, match=r"results\.csv must hold rows, got a header alone"):
        read_comparison(folder)


def test_absent_column(folder):
    (folder / "results.csv").write_text("cohort,method,value\nc,unsup,0.5\n")
    with pytest.raises(ValueError, match=r"results\.csv must have the columns estimator, seed, .*got cohort, method"):
        read_comparison(folder)


def test_no_number(folder):
    (folder / "results.csv").write_text(RESULTS + ROW.format("0.5") + ROW.format("high"))
    with pytest.raises(ValueError, match=r"results\.csv, line 3: value must be a number or empty, got 'high'"):
        read_comparison(folder)
