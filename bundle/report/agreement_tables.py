"""Tables II and III of the paper: how alike the maps of differently trained models are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bundle.metrics.significance import average_seeds
from bundle.metrics.summary import mean, standard_deviation
from bundle.report.comparison_csv import Comparison, Row, distinct, select
from bundle.report.comparison_rows import LABELS
from bundle.report.paper_values import AGREEMENT_DATA, AGREEMENT_METHODS, agreement_tables
from bundle.report.table_layout import MISSING, Cell, Table

_SUBJECTS = {"II": "G equivalence to EG", "III": "IEG robustness"}
_HEADINGS = ("A1", "A2", *(LABELS[method].replace("Supervised", "Sup") for method in AGREEMENT_METHODS), "Average")

Moments = tuple[float, float]
"""Mean and standard deviation."""


def agreement_conditions(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the cohorts and conditions in which maps were correlated."""
    return list(dict.fromkeys((row["cohort"], row["condition"]) for row in comparison.agreement))


def agreement_table(comparison: Comparison, number: str, cohort: str, condition: str) -> Table:
    """Return table II or III of a cohort's condition.

    Args:
        comparison: values of the comparison.
        number: ``"II"`` or ``"III"``.
        cohort: cohort of the table.
        condition: condition of its subjects.
    """
    rows = select(comparison.agreement, cohort=cohort, condition=condition)
    beside = condition == "tumour"  # the paper measured tumours alone
    lines: list[tuple[str, dict[str, Cell]]] = []
    groups: dict[str, list[dict[str, Cell]]] = {}
    for pair, printed in agreement_tables()[number].items():
        line = _line(rows, pair, printed if beside else {})
        groups.setdefault(pair[0], []).append(line)
        lines.append((pair[1], line))
    for group in groups.values():
        _embolden(group)
    starts = [0]
    for group in groups.values():
        starts.append(starts[-1] + len(group))
    heads = dict(zip(starts[:-1], groups, strict=True))
    return Table(
        title=_title(number, cohort, condition, beside),
        columns=_HEADINGS,
        rows=[(heads.get(place, ""), second, *line.values()) for place, (second, line) in enumerate(lines)],
        note=_note(number, rows, beside),
        rules=starts[1:-1],
    )


def _line(rows: Sequence[Row], pair: tuple[str, str], printed: Mapping[str, str]) -> dict[str, Cell]:
    moments = {method: _moments(select(rows, method=method), pair) for method in AGREEMENT_METHODS}
    known = {method: found for method, found in moments.items() if not math.isnan(found[0])}
    average = mean(found[0] for found in known.values()), mean(found[1] for found in known.values())
    line = {method: _cell(found, printed.get(method, "")) for method, found in moments.items()}
    line["average"] = _cell(average, printed.get("average", ""))
    if 0 < len(known) < len(moments):
        line["average"] = replace(line["average"], mark=f" [{len(known)} of {len(moments)}]")
    return line


def _moments(rows: Sequence[Row], pair: tuple[str, str]) -> Moments:
    """Mean and deviation over subjects of the mean over seeds; the order of the two maps does not matter."""
    chosen = [row for row in rows if (row["map_1"], row["map_2"]) in (pair, pair[::-1])]
    values = average_seeds((row["subject"], row["pearson"]) for row in chosen).values()
    return mean(values), standard_deviation(values)


def _cell(moments: Moments, printed: str) -> Cell:
    value, deviation = ("" if math.isnan(number) else f"{number:.2f}" for number in moments)
    return Cell(value, deviation, paper=printed)


def _embolden(lines: Sequence[dict[str, Cell]]) -> None:
    """Mark the best A2 of an A1 in each column, ties included, where there is a choice."""
    for column in lines[0]:
        rivals = [line for line in lines if line[column].value]
        best = max((float(line[column].value) for line in rivals), default=math.nan)
        for line in rivals:
            line[column] = replace(line[column], bold=len(rivals) > 1 and float(line[column].value) == best)


def _title(number: str, cohort: str, condition: str, beside: bool) -> str:
    title = f"Table {number}: {_SUBJECTS[number]}, cohort {cohort}, condition {condition}"
    return f"{title} (in brackets the paper on {AGREEMENT_DATA}: THE DATA DIFFER)" if beside else title


def _note(number: str, rows: Sequence[Row], beside: bool) -> str:
    seeds = max((len(distinct(select(rows, method=name), "seed")) for name in distinct(rows, "method")), default=0)
    text = (
        f"Pearson correlation of two maps of one image, mean ± sd over {len(distinct(rows, 'subject'))} subjects; a "
        f"subject's value is the mean over seeds (at most {seeds}). In X.Y, X is the attribution that was constrained "
        "in training (NO: none) and Y the one at inference. Average: mean of the methods' means and deviations, "
        f"[n of 5] where only n were measured. Bold: best A2 of an A1. {MISSING}: not measured. No test is made."
    )
    if beside:
        text += (
            f" In brackets: Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, table {number}, {AGREEMENT_DATA}, other "
            "images than those of this cohort."
        )
    return text
