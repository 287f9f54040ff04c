from __future__ import annotations

import re

import pytest

from bundle.report.comparison import write_comparison
from bundle.report.comparison_csv import read_comparison
from bundle.report.comparison_rows import compared_rows, compared_tables
from bundle.report.comparison_tables import comparison_table
from bundle.report.paper_values import TABLE_5_COLUMNS, similar_data, table_5


def renamed(rows, **names):
    """Give the toy's methods other names; those of a table V have no training attribution."""
    return [{**row, "method": names[row["method"]], "estimator": ""} if row["method"] in names else row for row in rows]


@pytest.fixture
def healthy_only(toy_rows):
    results, subjects = (renamed(rows, ross="ae", erion="dae", sup="f_anogan") for rows in toy_rows)
    equalised = {"method": "ae", "estimator": "", "score": "equalised", "metric": "auprc", "value": 0.1}
    results.append({**results[0], **equalised})
    return results, subjects


def lines_of(table):
    return {row[0]: [cell.text("**{}**") for cell in row[1:]] for row in table.rows}


def test_table_5_by_hand(healthy_only, write_toy):
    comparison = read_comparison(write_toy(*healthy_only))
    table, findings = comparison_table(comparison, "V", "toy", "tumour")
    lines = lines_of(table)
    assert list(table.columns) == ["Method", "Dice", "AUROC", "AUROC10", "AUPRC"] and table.rules == [5]
    assert list(lines) == [
        *("Silva-Rodríguez", "AE", "VAE", "f-AnoGAN", "Unsup"),
        *("DAE", "Intensity threshold", "Equalised intensity threshold"),
    ]
    assert lines["AE"] == [
        *("0.400 ± 0.040† (0.26 ± 0.11†)", "**0.900** (0.90†)", "\u2013 (0.36†)", "0.300 (0.16†)"),
    ]
    assert lines["f-AnoGAN"][0] == "**0.700** ± 0.040† (0.17 ± 0.10†)"  # a rival, where Supervised is none
    assert lines["DAE"][0] == "0.510 ± 0.040" and lines["Equalised intensity threshold"][3] == "0.100"
    assert {finding.key for finding in findings} == {"ae", "dae", "f_anogan"}
    assert "table V, BraTS 2020 2mm" in table.note and "TPR" not in table.note


def test_slices_stand_beside_the_printed_slices(healthy_only, write_toy):
    rows = [[{**row, "cohort": "toy_2d"} for row in part] for part in healthy_only]
    table, _ = comparison_table(read_comparison(write_toy(*rows)), "V", "toy_2d", "tumour")
    assert lines_of(table)["Unsup"][0] == "0.510 ± 0.040 (0.62 ± 0.14)"
    assert lines_of(table)["Silva-Rodríguez"][3] == "\u2013"  # not in our copy of the print


def test_methods_choose_the_table(toy_rows, healthy_only):
    assert compared_tables(toy_rows[0]) == ["IV"]
    assert compared_tables(healthy_only[0]) == ["V"]
    both = toy_rows[0] + healthy_only[0]
    assert compared_tables(both) == ["IV", "V"]
    assert {row.key for row in compared_rows(both, "IV")} & {"ae", "dae", "f_anogan"} == set()
    assert {row.key for row in compared_rows(both, "V")} & {"sup", "ross", "erion"} == set()
    assert compared_tables([row for row in toy_rows[0] if row["method"] == "unsup"]) == ["IV"]


def test_both_tables_are_written(toy_rows, healthy_only, write_toy, tmp_path):
    rows = [first + second for first, second in zip(toy_rows, healthy_only, strict=True)]
    rows[1] = list({tuple(row.items()): row for row in rows[1]}.values())
    write_comparison(write_toy(*rows), tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert re.findall(r"## Table (\w+)", text) == ["IV", "V"] and text.count("Tests behind the †") == 2
    assert (tmp_path / "out" / "table_4.tex").is_file() and (tmp_path / "out" / "table_5.tex").is_file()
    assert "V,toy,tumour,AE" in (tmp_path / "out" / "significance.csv").read_text()


def test_printed_values():
    table = table_5()
    assert len(table) == 5
    for data, rows in table.items():
        methods = ["silva_rodriguez", "ae", "vae", "f_anogan", "unsup"]
        assert list(rows) == (methods if "2019" not in data else ["silva_rodriguez", "unsup"])
        for row in rows.values():
            assert list(row) == list(TABLE_5_COLUMNS)
            assert re.fullmatch(r"0\.\d+ ± 0\.\d+†?", row["dice"])
            assert all(re.fullmatch(r"0\.\d\d†?|", row[metric]) for metric in TABLE_5_COLUMNS[1:])
    assert table["BraTS 2020 1mm"]["f_anogan"] == dict(
        zip(TABLE_5_COLUMNS, ["0.16 ± 0.10†", "0.84†", "0.16†", "0.09†"], strict=True)
    )
    assert table["MS 1mm"]["ae"]["auroc10"] == "0.67"
    assert sum(row["auprc"] == "" for rows in table.values() for row in rows.values()) == 3


@pytest.mark.parametrize(
    ("cohort", "data"),
    [("tumour_2d", "BraTS 2019 1mm middle slices"), ("tumour", "BraTS 2020 2mm"), ("x_1mm", "BraTS 2020 1mm")],
)
def test_similar_data(cohort, data):
    assert similar_data(cohort, "tumour", table_5()) == data
    assert similar_data(cohort, "ms", table_5()) == "MS 1mm" and similar_data(cohort, "stroke", table_5()) is None
