"""Write the tables, tests and figures of a comparison from its CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.data.files import csv_text, write_text_atomically
from bundle.report.agreement_tables import agreement_conditions, agreement_table
from bundle.report.comparison_csv import read_comparison, select
from bundle.report.comparison_figures import make_figures, save_figures
from bundle.report.comparison_rows import compared_tables
from bundle.report.comparison_tables import comparison_table, findings_markdown, segmented_conditions
from bundle.report.comparison_tests import Finding
from bundle.report.table_layout import Table, table_to_latex, table_to_markdown

_FILES = {"II": "table_2.tex", "III": "table_3.tex", "IV": "table_4.tex", "V": "table_5.tex"}


def write_comparison(results_dir: Path, output_dir: Path) -> list[Path]:
    """Write the tables, tests and figures of a comparison.

    The files are ``comparison.md`` with all tables, ``table_4.tex`` and the like for each table, ``significance.csv``
    and the folder ``figures``. All values are read, and all tables and figures made, before the first file is written.

    Args:
        results_dir: folder with ``results.csv`` and the other files of a comparison, see
            :py:func:`bundle.report.comparison_csv.read_comparison`.
        output_dir: folder to write to; made if absent.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: When a file is absent.
        ValueError: When a file is empty or wrong, methods were evaluated on different subjects, or no
            condition has a Dice or an AUPRC.
    """
    comparison = read_comparison(results_dir)
    tables: dict[str, list[Table]] = {"IV": [], "V": [], "II": [], "III": []}
    findings: dict[tuple[str, str, str], list[Finding]] = {}
    for cohort, condition in segmented_conditions(comparison):
        for number in compared_tables(select(comparison.results, cohort=cohort)):
            table, findings[number, cohort, condition] = comparison_table(comparison, number, cohort, condition)
            tables[number].append(table)
    if not findings:
        file = results_dir / "results.csv"
        raise ValueError(f"{file} must hold rows of the metric dice or auprc, got none. Evaluate annotated subjects.")
    for cohort, condition in agreement_conditions(comparison):
        for number in ("II", "III"):
            tables[number].append(agreement_table(comparison, number, cohort, condition))

    figures = make_figures(comparison)
    texts = {"comparison.md": _markdown(tables, findings)}
    texts |= {_FILES[number]: "\n".join(map(table_to_latex, made)) for number, made in tables.items() if made}
    texts["significance.csv"] = _significance_csv(findings)
    for name, text in texts.items():
        write_text_atomically(output_dir / name, text)
    return [*(output_dir / name for name in texts), *save_figures(figures, output_dir / "figures")]


def _markdown(tables: Mapping[str, Sequence[Table]], findings: Mapping[tuple[str, str, str], Sequence[Finding]]) -> str:
    parts = ["# Comparison of the methods\n"]
    for number in ("IV", "V"):
        tests = [found for place, found in findings.items() if place[0] == number]
        for table, tested in zip(tables[number], tests, strict=True):
            parts.append(table_to_markdown(table))
            if tested:
                parts.append("Tests behind the †:\n\n" + findings_markdown(tested) + "\n")
    parts += [table_to_markdown(table) for number in ("II", "III") for table in tables[number]]
    return "\n".join(parts)


def _significance_csv(findings: Mapping[tuple[str, str, str], Sequence[Finding]]) -> str:
    numbers = ("units", "difference", "low", "high", "p_value")
    return csv_text(
        {
            "table": number,
            "cohort": cohort,
            "condition": condition,
            "method": finding.label,
            "metric": finding.metric,
            **{name: getattr(finding.test, name) for name in numbers},
            "comparisons": finding.comparisons,
            "corrected_p": finding.corrected_p,
            "reason": finding.test.reason,
        }
        for (number, cohort, condition), tests in findings.items()
        for finding in tests
    )
