from __future__ import annotations

import dataclasses

import pytest

from bundle.report.comparison_csv import read_comparison
from bundle.report.comparison_rows import compared_rows
from bundle.report.comparison_tables import comparison_table, findings_markdown, segmented_conditions
from bundle.report.table_layout import Cell


@pytest.fixture
def toy(toy_rows, write_toy):
    return read_comparison(write_toy(*toy_rows))


def lines_of(table):
    return {row[0]: [cell.text("**{}**") for cell in row[1:]] for row in table.rows}


def test_table_4_by_hand(toy):
    table, _ = comparison_table(toy, "IV", "toy", "tumour")
    lines = lines_of(table)
    assert list(lines) == [
        *("Supervised", "NoConsG", "NoConsGC", "Ross", "Erion, EG", "Unsup", "Intensity threshold"),
    ]
    # Two seeds: (0.40 + 0.44) / 2, sample deviation 0.02 sqrt(2) = 0.028. Dice: 0.50 and 0.52.
    assert lines["Unsup"] == [
        *("**0.510** ± 0.040 (0.51 ± 0.16)", "**0.900** ± 0.000 (0.73)", "\u2013 (0.62)", "0.420 ± 0.028 (0.45)"),
        *("**1.000** (1.00)", "**0.750** (0.95)"),
    ]
    assert lines["Ross"][:2] == ["0.400 ± 0.040† (0.48 ± 0.20†)", "**0.900** (0.80)"]
    assert lines["Supervised"][:2] == ["0.700 ± 0.040† (0.71 ± 0.17†)", "0.900 (0.85†)"]  # never bold
    assert lines["Erion, EG"][0] == "**0.510** ± 0.040 (0.29 ± 0.15†)"  # a tie
    assert lines["NoConsG"] == [
        "\u2013 (0.29 ± 0.16†)",
        "\u2013 (0.61†)",
        "\u2013 (0.34†)",
        "\u2013 (0.16†)",
        "\u2013 (1.00)",
        "\u2013 (1.00)",
    ]
    assert lines["Intensity threshold"] == ["0.250", "\u2013", "\u2013", "**0.500**", "\u2013", "\u2013"]
    assert table.title.endswith("(in brackets the paper on BraTS 2020 2mm: THE DATA DIFFER)")
    assert table.rules == [6]


def test_tests_by_hand(toy):
    _, findings = comparison_table(toy, "IV", "toy", "tumour")
    found = {finding.key: finding for finding in findings}
    assert {finding.metric for finding in findings} == {"dice"} and set(found) == {"sup", "ross", "erion"}
    assert {finding.comparisons for finding in findings} == {3}
    assert found["ross"].test.p_value == pytest.approx(2 / 256)
    assert found["ross"].corrected_p == pytest.approx(6 / 256)
    assert found["ross"].test.difference == pytest.approx(-0.11)  # from the mean of both seeds
    assert found["erion"].test.p_value > 0.5 and not found["erion"].significant
    text = findings_markdown(findings)
    assert "| Ross | dice | 8 | -0.110 | -0.110 to -0.110 | 0.0078 | 0.0234 |  |" in text


def test_note_states_the_protocol(toy):
    note = comparison_table(toy, "IV", "toy", "tumour")[0].note
    for part in (
        "(seeds: Supervised 1; Ross 1; Erion, EG 1; Unsup 2)",
        "over 8 subjects of 8 patients, at the one threshold that was chosen on the validation subjects",
        "for the 3 methods compared in a column",
        "over 8 patients (10,000 permutations",
        "the areas of the single subjects",
        "Its images are not those of this cohort",
    ):
        assert part in note


def with_patients(subjects, patient_of):
    return [{**row, "patient": patient_of(row["subject"])} for row in subjects]


def test_patients_are_the_units_and_too_few_are_said(toy_rows, write_toy):
    results, subjects = toy_rows
    folder = write_toy(results, with_patients(subjects, lambda name: f"p{int(name[1]) // 2}"))
    table, findings = comparison_table(read_comparison(folder), "IV", "toy", "tumour")
    assert {finding.test.units for finding in findings} == {4}
    assert "†" not in lines_of(table)["Ross"][0].split("(")[0]  # 2/16 is the least
    assert "8 subjects of 4 patients" in table.note
    assert "the smallest possible corrected p is 0.38" in table.note  # 3 * 2/16


def test_single_unit_has_no_test(toy_rows, write_toy):
    results, subjects = toy_rows
    folder = write_toy(results, with_patients(subjects, lambda name: "p"))
    table, findings = comparison_table(read_comparison(folder), "IV", "toy", "tumour")
    assert "†: n/a, a test needs at least 2 units, got 1." in table.note
    assert "| Ross | dice | 1 | -0.110 | n/a | n/a | n/a | a test needs at least 2 units, got 1 |" in findings_markdown(
        findings
    )


def test_without_unsup_there_is_no_test(toy_rows, write_toy):
    results, subjects = ([row for row in rows if row["method"] != "unsup"] for rows in toy_rows)
    table, findings = comparison_table(read_comparison(write_toy(results, subjects)), "IV", "toy", "tumour")
    assert findings == [] and "†: n/a, there is no Unsup" in table.note
    assert lines_of(table)["Unsup"][0] == "\u2013 (0.51 ± 0.16)"


def test_further_rows(toy_rows, write_toy):
    results, subjects = toy_rows
    place = {"cohort": "toy", "seed": "1", "condition": "tumour", "metric": "auprc", "value": 0.6}
    results += [
        {**place, "method": "no_cons", "estimator": "", "score": "grad_cam"},
        {**place, "method": "unsup", "estimator": "g", "score": "input_weighted"},
        {**place, "method": "unsup_tv", "estimator": "ieg", "score": "attribution"},
        {**place, "method": "unsup@epochs=2", "estimator": "g", "score": "attribution"},
        {**place, "method": "unsup@alpha=0.5", "estimator": "g", "score": "attribution"},
        {**place, "method": "ross@alpha=1.0e+2", "estimator": "g", "score": "attribution"},
        {**place, "method": "erion", "estimator": "g", "score": "attribution"},
    ]
    comparison = read_comparison(write_toy(results, subjects))
    lines = lines_of(comparison_table(comparison, "IV", "toy", "tumour")[0])
    assert list(lines)[6:] == ["Unsup, input-weighted", "UnsupTV, IEG", "unsup@epochs=2", "Intensity threshold"]
    assert lines["NoConsGC"][3] == "**0.600** (0.04†)" and lines["NoConsG"][3] == "\u2013 (0.16†)"
    assert lines["Erion, EG"][3] == "0.200 (0.19†)"  # its own training attribution where both are there
    assert [row.estimator for row in compared_rows(comparison.results) if row.key == "erion"] == ["eg"]


def test_condition_without_a_printed_table(toy_rows, write_toy):
    results, subjects = ([{**row, "condition": "stroke"} for row in rows] for rows in toy_rows)
    comparison = read_comparison(write_toy(results, subjects))
    assert segmented_conditions(comparison) == [("toy", "stroke")]
    table, _ = comparison_table(comparison, "IV", "toy", "stroke")
    assert table.title.endswith("(the paper has no such data)") and "brackets" not in table.note
    assert all("(" not in text for line in lines_of(table).values() for text in line)


def test_conditions_have_a_value(toy):
    healthy = {**toy.results[0], "condition": "healthy", "metric": "dice", "value": float("nan")}
    comparison = dataclasses.replace(toy, results=[healthy, *toy.results])
    assert segmented_conditions(comparison) == [("toy", "tumour")]


def test_lacking_subject_is_named(toy_rows, write_toy):
    results, subjects = toy_rows
    subjects = [row for row in subjects if (row["method"], row["subject"]) != ("ross", "s3")]
    with pytest.raises(ValueError, match=r"^Ross against Unsup, dice, toy, tumour: .* the first lacks 's3'"):
        comparison_table(read_comparison(write_toy(results, subjects)), "IV", "toy", "tumour")


def test_subject_with_two_patients(toy_rows, write_toy):
    results, subjects = toy_rows
    subjects[0]["patient"] = "p"
    with pytest.raises(ValueError, match="'s0' belongs to 'p' and 's0'"):
        comparison_table(read_comparison(write_toy(results, subjects)), "IV", "toy", "tumour")


def test_cells_have_no_nan(toy):
    table, _ = comparison_table(toy, "IV", "toy", "tumour")
    cells = [cell for row in table.rows for cell in row[1:]]
    assert all(isinstance(cell, Cell) and "nan" not in cell.text() for cell in cells)
