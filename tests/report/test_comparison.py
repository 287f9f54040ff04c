from __future__ import annotations

import csv

import pytest

from bundle.report.comparison import write_comparison


def agreement_rows():
    place = {"cohort": "toy", "method": "unsup", "seed": "1", "map_1": "EG.EG", "condition": "tumour"}
    return [
        {**place, "map_2": map_2, "subject": subject, "pearson": value}
        for map_2 in ("G.EG", "IEG.EG")
        for subject, value in (("s0", 0.5), ("s1", 0.7))
    ]


def test_files_of_a_comparison(toy_rows, write_toy, tmp_path):
    folder = write_toy(*toy_rows, agreement=agreement_rows())
    written = write_comparison(folder, tmp_path / "out")
    names = ["comparison.md", "table_4.tex", "table_2.tex", "table_3.tex", "significance.csv"]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written[:5]] == names
    # AUPRC with G alone at inference gives no bar of figures 5 and 6
    assert sorted(tmp_path.joinpath("out").rglob("*.*")) == sorted(written)
    text = written[0].read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [heading.split(":")[0] for heading in headings] == ["## Table IV", "## Table II", "## Table III"]
    assert "| Ross | 0.400 ± 0.040† (0.48 ± 0.20†) |" in text and "Tests behind the †" in text
    for path in written[1:4]:
        latex = path.read_text()
        columns = len(latex.split(r"\begin{tabular}{")[1].split("}")[0])
        body = [line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert len(body) > 3 and {line.replace(r"\&", "").count("&") for line in body} == {columns - 1}
        plain = latex.replace(r"\{", "").replace(r"\}", "")
        assert plain.count("{") == plain.count("}") and latex.isascii()


def test_significance_file(toy_rows, write_toy, tmp_path):
    folder = write_toy(*toy_rows)
    write_comparison(folder, tmp_path / "out")
    with (tmp_path / "out" / "significance.csv").open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["Supervised", "Ross", "Erion, EG"]
    assert float(rows["Ross"]["p_value"]) == pytest.approx(2 / 256)
    assert float(rows["Ross"]["corrected_p"]) == pytest.approx(6 / 256)
    assert float(rows["Ross"]["difference"]) == pytest.approx(-0.11)
    assert (rows["Ross"]["cohort"], rows["Ross"]["units"], rows["Ross"]["comparisons"]) == ("toy", "8", "3")
    assert not (tmp_path / "out" / "table_2.tex").exists()  # no agreement was measured


def test_the_test_of_a_single_subject_is_left_empty(toy_rows, write_toy, tmp_path):
    results, subjects = toy_rows
    write_comparison(write_toy(results, [row for row in subjects if row["subject"] == "s0"]), tmp_path / "out")
    with (tmp_path / "out" / "significance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["p_value"], row["corrected_p"]) for row in rows} == {("", "")}
    assert {row["reason"] for row in rows} == {"a test needs at least 2 units, got 1"}


def test_wrong_files_leave_nothing(toy_rows, write_toy, tmp_path):
    results, subjects = toy_rows
    rates = [row for row in results if row["metric"] == "tpr"]
    with pytest.raises(ValueError, match=r"results\.csv must hold rows of the metric dice or auprc, got none"):
        write_comparison(write_toy(rates, subjects), tmp_path / "out")
    (write_toy(results, subjects) / "agreement.csv").write_text("")
    with pytest.raises(ValueError, match=r"agreement\.csv must hold a header and rows"):
        write_comparison(tmp_path / "results", tmp_path / "out")
    assert not (tmp_path / "out").exists()
