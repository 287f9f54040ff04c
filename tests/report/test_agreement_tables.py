from __future__ import annotations

import pytest

from bundle.report.agreement_tables import agreement_conditions, agreement_table
from bundle.report.comparison_csv import Comparison


def rows_of(method, first, second, values, seed="0", condition="tumour"):
    return [
        {
            **{"cohort": "toy", "method": method, "seed": seed, "map_1": first, "map_2": second},
            **{"condition": condition, "subject": f"s{number}", "pearson": value},
        }
        for number, value in enumerate(values)
    ]


def comparison_of(*groups):
    return Comparison([], [], [row for group in groups for row in group], [], [])


def test_table_ii_by_hand():
    comparison = comparison_of(
        rows_of("unsup", "EG.EG", "G.EG", [0.5, 0.7], seed="0"),
        rows_of("unsup", "EG.EG", "G.EG", [0.7, 0.9], seed="1"),  # means 0.6 and 0.8: 0.70 ± 0.14
        rows_of("unsup", "NO.EG", "EG.EG", [0.1, 0.3]),  # the other order: 0.20 ± 0.14
        rows_of("ross", "EG.EG", "G.EG", [0.9, 0.9]),
        rows_of("unsup", "IG.IG", "G.IG", [0.4]),
    )
    assert agreement_conditions(comparison) == [("toy", "tumour")]
    table = agreement_table(comparison, "II", "toy", "tumour")
    assert table.columns == ("A1", "A2", "Sup", "Unsup", "UnsupTV", "Ross", "Erion", "Average")
    lines = [[cell if isinstance(cell, str) else cell.text("**{}**") for cell in row] for row in table.rows]
    assert [line[:2] for line in lines] == [["EG.EG", "NO.EG"], ["", "IG.EG"], ["", "G.EG"], ["IG.IG", "G.IG"]]
    assert lines[0][2:4] == ["\u2013 (0.09 ± 0.04)", "0.20 ± 0.14 (0.46 ± 0.07)"]
    assert lines[2][3] == "**0.70** ± 0.14 (0.81 ± 0.06)" and lines[2][5] == "0.90 ± 0.00 (0.93 ± 0.02)"
    assert lines[2][7] == "**0.80** ± 0.07 [2 of 5] (0.72 ± 0.06)"
    assert lines[3][3] == "0.40 (0.44 ± 0.14)"  # one subject has no deviation, one row no rival
    assert table.rules == [3] and "THE DATA DIFFER" in table.title and "(at most 2)" in table.note


def test_average_of_all_five():
    methods = {"sup": 0.1, "unsup": 0.2, "unsup_tv": 0.3, "ross": 0.4, "erion": 0.5}
    comparison = comparison_of(
        *(rows_of(name, "IG.IG", "IEG.IG", [value - 0.1, value + 0.1]) for name, value in methods.items())
    )
    line = agreement_table(comparison, "III", "toy", "tumour").rows[3]
    assert line[-1].text() == "0.30 ± 0.14 (0.59 ± 0.08)"


@pytest.mark.parametrize("number", ["II", "III"])
def test_other_conditions_have_no_printed_values(number):
    comparison = comparison_of(rows_of("unsup", "EG.EG", "IG.EG", [0.5, 0.5], condition="ms"))
    table = agreement_table(comparison, number, "toy", "ms")
    assert "brackets" not in table.title + table.note
    assert sum(cell.text() == "0.50 ± 0.00" for row in table.rows for cell in row[2:]) == 1
    assert not any("(" in cell.text() for row in table.rows for cell in row[2:])
