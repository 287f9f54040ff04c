"""A table whose cells set our value beside a printed one, in Markdown and in LaTeX (package booktabs)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MISSING = "\u2013"  # an en dash

_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    MISSING: "--",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
}


@dataclass(frozen=True)
class Cell:
    """A value.

    Attributes:
        value: the value; empty where it is missing.
        deviation: its standard deviation, if any.
        mark: follows the value, such as †.
        paper: the value that the paper printed, if any.
        bold: whether the value is the best of its column.
    """

    value: str = ""
    deviation: str = ""
    mark: str = ""
    paper: str = ""
    bold: bool = False

    def text(self, bold: str = "{}") -> str:
        """Return "value ± deviation† (paper)".

        Args:
            bold: format of a bold value.
        """
        value = bold.format(self.value) if self.bold and self.value else self.value or MISSING
        deviation = f" ± {self.deviation}" if self.value and self.deviation else ""
        paper = f" ({self.paper})" if self.paper else ""
        return f"{value}{deviation}{self.mark if self.value else ''}{paper}"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: heading, or caption in LaTeX.
        columns: headings of the columns.
        rows: rows as long as ``columns``; text is a row's own heading.
        note: what stands under the table.
        groups: headings over columns, each with the number of columns under it, in LaTeX alone.
        rules: numbers of the rows before which LaTeX draws a rule.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    note: str
    groups: Sequence[tuple[str, int]] = ()
    rules: Sequence[int] = ()


def table_to_markdown(table: Table) -> str:
    """Return a heading, the table and its note."""
    lines = [[_escape_bar(column) for column in table.columns], ["---"] * len(table.columns)]
    for row in table.rows:
        lines.append([_escape_bar(cell if isinstance(cell, str) else cell.text("**{}**")) for cell in row])
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"## {table.title}\n\n{body}\n\n{table.note}\n"


def table_to_latex(table: Table) -> str:
    """Return a ``table*`` environment for a document that loads booktabs."""
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        r"\toprule",
    ]
    if table.groups:
        headings = [rf"\multicolumn{{{span}}}{{c}}{{{escape_latex(name)}}}" for name, span in table.groups]
        lines.append(" & ".join(headings) + r" \\")
    lines += [" & ".join(escape_latex(column) for column in table.columns) + r" \\", r"\midrule"]
    for number, row in enumerate(table.rows):
        if number in table.rules:
            lines.append(r"\midrule")
        lines.append(" & ".join(_latex_cell(cell) for cell in row) + r" \\")
    note = rf"\par\smallskip\begin{{minipage}}{{\textwidth}}\footnotesize {escape_latex(table.note)}\end{{minipage}}"
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", note, r"\end{table*}"]) + "\n"


def escape_latex(text: str) -> str:
    """Return text with LaTeX's special characters, and those that its fonts may lack, as commands."""
    return "".join(_LATEX.get(character, character) for character in text)


def file_label(*parts: str) -> str:
    """Return a name for a file from free text: other characters than letters, digits, point and dash become _."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "_", part) for part in parts)


def _latex_cell(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return escape_latex(cell)
    plain = escape_latex(cell.text())
    return rf"\textbf{{{cell.value}}}" + plain.removeprefix(cell.value) if cell.bold and cell.value else plain


def _escape_bar(text: str) -> str:
    return text.replace("|", r"\|")
