from __future__ import annotations

import re

import pytest

from bundle.report.table_layout import Cell, Table, escape_latex, file_label, table_to_latex, table_to_markdown

TABLE = Table(
    title="A & B_1 {x}",
    columns=["Method", "Dice|x"],
    rows=[("one", Cell("0.51", "0.16", "†", "0.48 ± 0.20†", bold=True)), ("two", Cell(paper="0.1")), ("three", Cell())],
    note="100 % \u2013 done",
    groups=[("", 1), ("Seg.", 1)],
    rules=[1],
)


def test_markdown():
    assert table_to_markdown(TABLE) == (
        "## A & B_1 {x}\n\n| Method | Dice\\|x |\n| --- | --- |\n| one | **0.51** ± 0.16† (0.48 ± 0.20†) |\n"
        "| two | \u2013 (0.1) |\n| three | \u2013 |\n\n100 % \u2013 done\n"
    )


def test_latex():
    text = table_to_latex(TABLE)
    assert r"\caption{A \& B\_1 \{x\}}" in text and r"\footnotesize 100 \% -- done" in text
    assert r"one & \textbf{0.51} $\pm$ 0.16$^\dagger$ (0.48 $\pm$ 0.20$^\dagger$) \\" in text
    assert r"two & -- (0.1) \\" in text and text.count(r"\midrule") == 2
    assert_balanced(text)


def assert_balanced(text):
    """Braces and environments close, and every line of a table has its number of columns."""
    plain = re.sub(r"\\[{}&%$#_]", "", text)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0 and plain.count("$") % 2 == 0
    for name in ("table*", "tabular", "minipage"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") > 0
    columns = None
    for line in plain.splitlines():
        start = re.fullmatch(r"\\begin\{tabular\}\{(l+)\}", line)
        columns = len(start[1]) if start else columns
        if line.endswith(r"\\"):
            assert line.count("&") == columns - 1, line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\\b", r"a\textbackslash{}b"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("p < 0.05 | x > 1", "p $<$ 0.05 $|$ x $>$ 1"),
    ],
)
def test_special_characters(text, expected):
    assert escape_latex(text) == expected


def test_a_missing_value_has_no_mark_and_is_not_bold():
    assert Cell(deviation="0.1", mark="†", bold=True).text("**{}**") == "\u2013"


def test_file_label():
    assert file_label("fig2", "a b/c", "ms") == "fig2_a_b_c_ms"
