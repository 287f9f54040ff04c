from __future__ import annotations

import re

import pytest

from bundle.report.paper_values import TABLE_4_COLUMNS, agreement_tables, similar_data, table_4


def test_table_4_is_complete():
    table = table_4()
    assert list(table) == ["BraTS 2020 2mm", "BraTS 2020 1mm", "BraTS 2020 1mm with N4 correction", "MS 1mm"]
    for rows in table.values():
        assert list(rows) == ["sup", "noconsg", "noconsgc", "ross", "erion", "unsup"]
        for row in rows.values():
            assert list(row) == list(TABLE_4_COLUMNS)
            assert re.fullmatch(r"0\.\d+ ± 0\.\d+†?", row["dice"])
            assert all(re.fullmatch(r"[01]\.\d+†?", row[metric]) for metric in TABLE_4_COLUMNS[1:])
        assert not any("†" in value for value in rows["unsup"].values())  # compared with itself


@pytest.mark.parametrize(
    ("data", "row", "metric", "printed"),
    [
        ("BraTS 2020 2mm", "unsup", "auprc", "0.45"),
        ("BraTS 2020 1mm", "noconsgc", "auroc", "0.90†"),
        ("BraTS 2020 1mm with N4 correction", "sup", "auroc10", "0.55"),
        ("MS 1mm", "noconsgc", "dice", "0.0003 ± 0.0007†"),
        ("MS 1mm", "unsup", "tnr", "0.91"),
    ],
)
def test_values_of_table_4(data, row, metric, printed):
    assert table_4()[data][row][metric] == printed


@pytest.mark.parametrize("number", ["II", "III"])
def test_averages_follow_from_the_methods(number):
    for pair, line in agreement_tables()[number].items():
        values, deviations = zip(*(map(float, cell.split(" ± ")) for cell in line.values()), strict=True)
        assert len(values) == 6
        assert values[-1] == pytest.approx(sum(values[:-1]) / 5, abs=0.0061), pair  # it cuts 0.596
        assert deviations[-1] == pytest.approx(sum(deviations[:-1]) / 5, abs=0.0121), pair


@pytest.mark.parametrize(
    ("cohort", "condition", "data"),
    [
        ("phantom", "tumour", "BraTS 2020 2mm"),
        ("brats_1mm", "tumour", "BraTS 2020 1mm"),
        ("BraTS_1mm_N4", "tumour", "BraTS 2020 1mm with N4 correction"),
        ("phantom", "ms", "MS 1mm"),
        ("phantom", "stroke", None),
    ],
)
def test_similar_data(cohort, condition, data):
    assert similar_data(cohort, condition, table_4()) == data
    assert data is None or data in table_4()
