"""Tables IV and V of the paper, drawn from a comparison's values with the paper's own beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.conventions import ATTRIBUTION
from bundle.metrics.significance import RESAMPLES, smallest_p
from bundle.metrics.summary import mean, standard_deviation
from bundle.report.comparison_csv import Comparison, Row, distinct, select
from bundle.report.comparison_rows import SUPERVISED, UNTRAINED, ComparedRow, compared_rows, paper_rows
from bundle.report.comparison_tests import LEVEL, Finding, find_differences, patient_of
from bundle.report.paper_values import (
    TABLE_4_COLUMNS,
    TABLE_5_COLUMNS,
    PrintedTable,
    similar_data,
    table_4,
    table_5,
)
from bundle.report.table_layout import MISSING, Cell, Table
from bundle.report.tables import markdown_table

_HEADINGS = {
    "dice": "Dice",
    "auroc": "AUROC",
    "auroc10": "AUROC10",
    "auprc": "AUPRC",
    "tpr": "TPR",
    "tnr": "TNR",
}
_RATES = ("tpr", "tnr")


@dataclass(frozen=True)
class _Layout:
    """What a table has of the paper's.

    Attributes:
        metrics: its columns.
        groups: headings over several columns, with their number.
        printed: values.
    """

    metrics: Sequence[str]
    groups: Sequence[tuple[str, int]]
    printed: Callable[[], PrintedTable]


_LAYOUTS = {
    "IV": _Layout(TABLE_4_COLUMNS, (("", 1), ("Attributions segmentation", 4), ("Images class.", 2)), table_4),
    "V": _Layout(TABLE_5_COLUMNS, (), table_5),
}


def segmented_conditions(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the cohorts and conditions with lesion masks, which have a Dice or an AUPRC."""
    measured = [
        row for row in comparison.results if row["metric"] in ("dice", "auprc") and not math.isnan(row["value"])
    ]
    return list(dict.fromkeys((row["cohort"], row["condition"]) for row in measured))


def comparison_table(comparison: Comparison, number: str, cohort: str, condition: str) -> tuple[Table, list[Finding]]:
    """Return table IV or V of a cohort's condition, and the tests behind its †.

    Args:
        comparison: values of the comparison.
        number: ``"IV"`` or ``"V"``.
        cohort: cohort of the table.
        condition: condition of its patients.

    Raises:
        ValueError: When methods were evaluated on different subjects.
    """
    layout = _LAYOUTS[number]
    results = select(comparison.results, cohort=cohort)
    subjects = select(comparison.subjects, cohort=cohort, condition=condition)
    rows = compared_rows(results, number)
    findings = find_differences(subjects, rows)
    data = similar_data(cohort, condition, layout.printed())
    printed = layout.printed()[data] if data else {}
    cells = {row: _row_cells(row, layout.metrics, results, condition, printed.get(row.key, {})) for row in rows}
    for row, line in cells.items():
        differs = {finding.metric for finding in findings if finding.key == row.key and finding.significant}
        for metric in differs:
            line[metric] = replace(line[metric], mark="†")
    _embolden(cells, layout.metrics)
    own = len(paper_rows(number))
    table = Table(
        title=_title(number, cohort, condition, data),
        columns=["Method", *(_HEADINGS[metric] for metric in layout.metrics)],
        rows=[(row.label, *line.values()) for row, line in cells.items()],
        note=_note(number, rows, results, subjects, findings, condition, data),
        groups=layout.groups,
        rules=[own] if len(rows) > own else [],
    )
    return table, findings


def findings_markdown(findings: Sequence[Finding]) -> str:
    """Return a table of tests: difference to Unsup with its interval, p-values, and why there is none."""
    columns = {
        "method": "Method against Unsup",
        "metric": "Metric",
        "units": "Units",
        "difference": "Mean difference",
        "interval": "95 % interval",
        "p": "p",
        "corrected": "p, corrected",
        "reason": "Remark",
    }
    return markdown_table(columns, [_finding_cells(finding) for finding in findings])


def _finding_cells(finding: Finding) -> dict[str, str | int | float | None]:
    test = finding.test
    tested = not test.reason
    return {
        "method": finding.label,
        "metric": finding.metric,
        "units": test.units,
        "difference": None if math.isnan(test.difference) else test.difference,
        "interval": f"{test.low:.3f} to {test.high:.3f}" if tested else None,
        "p": f"{test.p_value:.4f}" if tested else None,
        "corrected": f"{finding.corrected_p:.4f}" if tested else None,
        "reason": test.reason,
    }


def _row_cells(
    row: ComparedRow, metrics: Sequence[str], results: Sequence[Row], condition: str, printed: Mapping[str, str]
) -> dict[str, Cell]:
    cells = {}
    for metric in metrics:
        values = seed_values(row, results, condition, metric)
        deviation = math.nan
        if metric == "dice":
            deviation = mean(seed_values(row, results, condition, "dice_sd"))
        elif metric not in _RATES:
            deviation = standard_deviation(values)
        cells[metric] = Cell(_three(mean(values)), _three(deviation), paper=printed.get(metric, ""))
    return cells


def seed_values(row: ComparedRow, results: Sequence[Row], condition: str, metric: str) -> list[float]:
    """Return a metric of a row, one value a seed; empty where it was not measured.

    The rates belong to the classifier, whatever the score, and to all conditions. Plain intensity has no classifier,
    and no seed: its value is the first.
    """
    if metric in _RATES:
        if row.score in UNTRAINED:
            return []
        return [entry["value"] for entry in select(row.of(results), metric=metric)]
    found = select(row.of(results), condition=condition, score=row.score, metric=metric)
    return [entry["value"] for entry in (found[:1] if row.score in UNTRAINED else found)]


def _embolden(cells: Mapping[ComparedRow, dict[str, Cell]], metrics: Sequence[str]) -> None:
    """Mark the best value of each column, ties included; the supervised bound does not compete."""
    for metric in metrics:
        rivals = [line for row, line in cells.items() if row.key != SUPERVISED and line[metric].value]
        best = max((float(line[metric].value) for line in rivals), default=math.nan)
        for line in rivals:
            line[metric] = replace(line[metric], bold=float(line[metric].value) == best)


def _title(number: str, cohort: str, condition: str, data: str | None) -> str:
    title = f"Table {number}: cohort {cohort}, condition {condition}"
    if data is None:
        return f"{title} (the paper has no such data)"
    return f"{title} (in brackets the paper on {data}: THE DATA DIFFER)"


def _note(
    number: str,
    rows: Sequence[ComparedRow],
    results: Sequence[Row],
    subjects: Sequence[Row],
    findings: Sequence[Finding],
    condition: str,
    data: str | None,
) -> str:
    measured = [entry for entry in subjects if entry["metric"] == "dice"]
    names = distinct(measured, "subject")
    patients = {patient_of(subjects)[name] for name in names}
    seeds = {row.label: len(distinct(row.of(results), "seed")) for row in rows if row.score == ATTRIBUTION}
    trained = "; ".join(f"{label} {count}" for label, count in seeds.items() if count) or "none"
    rates = "TPR, TNR: all subjects of the cohort. " if set(_RATES) & set(_LAYOUTS[number].metrics) else ""
    parts = [
        f"Values: mean over seeds (seeds: {trained}). Dice: mean ± sd over {len(names)} subjects of {len(patients)} "
        f"patients, at the one threshold that was chosen on the validation subjects. AUROC, AUROC10, AUPRC: the voxels "
        f"of all these subjects pooled, over the whole image; ± sd over seeds where there are several. {rates}Bold: "
        f"best of a column, Supervised aside. {MISSING}: not measured.",
        _test_note(findings),
    ]
    if data:
        parts.append(
            f"In brackets: Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, table {number}, {data}. Its images are "
            f"not those of this cohort ({condition}), so a difference to it is no difference of methods."
        )
    return " ".join(parts)


def _test_note(findings: Sequence[Finding]) -> str:
    if not findings:
        return "†: n/a, there is no Unsup with values of subjects to compare with."
    tested = [finding for finding in findings if not finding.test.reason]
    if not tested:
        return f"†: n/a, {findings[0].test.reason}."
    units = sorted({finding.test.units for finding in tested})
    factors = sorted({finding.comparisons for finding in tested})
    text = (
        f"†: differs from Unsup, p < {LEVEL} in a two-sided paired permutation test of the mean difference over "
        f"{_range(units)} patients ({RESAMPLES:,} permutations, all where there are fewer), corrected after Bonferroni "
        f"for the {_range(factors)} methods compared in a column. A patient's value is the mean over seeds, then over "
        f"its subjects. A pooled area has no value of a subject: for AUROC, AUROC10 and AUPRC the test compares the "
        f"areas of the single subjects."
    )
    if len(tested) < len(findings):
        without = [finding for finding in findings if finding.test.reason]
        text += " n/a: " + ", ".join(f"{finding.label} {finding.metric}" for finding in without)
        text += f" ({without[0].test.reason})."
    if all(smallest_p(finding.test.units) * finding.comparisons >= LEVEL for finding in tested):
        smallest = min(smallest_p(finding.test.units) * finding.comparisons for finding in tested)
        text += f" So few units cannot reach it: the smallest possible corrected p is {smallest:.2g}."
    return text


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _three(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
