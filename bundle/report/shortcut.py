"""Table and figure of the shortcut experiment, from the rows of :py:func:`bundle.compare.summarise_shortcut`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bundle.report.comparison_csv import distinct, select
from bundle.report.figure_files import COLOURS, STYLES, add_legend, panels
from bundle.report.html_parts import number, plus_minus
from bundle.report.tables import markdown_table

Rows = Sequence[Mapping[str, Any]]

NOTE = (
    "Accuracy: share of a patient's slices that are decided rightly, mean over patients, half of them healthy, ± sd "
    "over seeds. Lost: accuracy in the test with the training's tie minus that in the test with a broken one, on the "
    "same persons; at tie 0 the two tests are one. Less lost: what no_cons loses minus what the method loses. In "
    "brackets the 95 % bootstrap interval over patients, whose values are means over seeds and slices, and the p-value "
    "of a paired permutation test, not corrected for the number of tests. Outside lesions: share of the positive "
    "attribution of patients that lies outside their lesions; negative: share of the brain voxels of healthy persons "
    "with a negative attribution; both in the test with the training's tie."
)

_PANELS = {
    "accuracy_lost": "accuracy lost without the tie",
    "outside_lesion_tied": "positive attribution outside lesions",
    "healthy_negative_tied": "negative voxels of healthy persons",
}


def shortcut_markdown(summary: Rows) -> str:
    """Return the table with its note.

    Args:
        summary: a row for each tie and method.
    """
    columns = {
        "tie": "Tie",
        "method": "Method",
        "seeds": "Seeds",
        "accuracy_tied": "Accuracy, tie as in training",
        "accuracy_broken": "Accuracy, tie broken",
        "accuracy_lost": "Lost",
        "saved": "Less lost than no_cons",
        "outside_lesion_tied": "Outside lesions",
        "healthy_negative_tied": "Negative",
    }
    spread = ("accuracy_tied", "accuracy_broken", "outside_lesion_tied", "healthy_negative_tied")
    rows = [
        {
            **row,
            "tie": f"{row['tie']:g}",
            **{name: _with_spread(row, name) for name in spread},
            "accuracy_lost": _tested(row, "accuracy_lost"),
            "saved": _tested(row, "saved") if "saved" in row else "",
        }
        for row in summary
    ]
    return f"{markdown_table(columns, rows)}\n\n{summary[0]['patients']} test patients. {NOTE}\n"


def shortcut_figure(seeds: Rows, summary: Rows) -> Figure:
    """Draw what is lost, and where attributions lie, over the strength of the tie, a line a method.

    Args:
        seeds: a row for each training: the small marks.
        summary: a row for each tie and method; the bars of the first panel are bootstrap intervals over patients.
    """
    figure, axes = panels(list(_PANELS.values()))
    ties = sorted({row["tie"] for row in summary})
    for place, method in enumerate(distinct(summary, "method")):
        style: dict[str, Any] = {"color": COLOURS[place], "linestyle": STYLES[place], "marker": "o"}
        rows, runs = select(summary, method=method), select(seeds, method=method)
        for axis, name in zip(axes, _PANELS, strict=True):
            at = [ties.index(row["tie"]) for row in rows]
            middle = np.array([row[name] for row in rows], dtype=float)
            axis.plot(at, middle, **style, markersize=4, label=method)
            spread = 0.06 * (2 * place - 1)  # so that marks of two methods stay apart
            each = [ties.index(row["tie"]) + spread for row in runs]
            axis.plot(each, [row[name] for row in runs], ".", color=COLOURS[place], markersize=4, alpha=0.6)
            if f"{name}_low" in rows[0]:
                ends = np.array([[row[f"{name}_low"], row[f"{name}_high"]] for row in rows], dtype=float).T
                axis.errorbar(at, middle, abs(ends - middle), fmt="none", color=COLOURS[place], capsize=3, linewidth=1)
    for axis in axes:
        axis.set_xticks(range(len(ties)), [f"{tie:g}" for tie in ties])
        axis.set_xlabel("tie of scanner and class in training")
    axes[0].axhline(0.0, color="#888888", linewidth=0.8)
    add_legend(figure)
    return figure


def _with_spread(row: Mapping[str, Any], name: str) -> str:
    deviation = row[f"{name}_sd"]
    return plus_minus(row[name], None if math.isnan(deviation) else deviation)


def _tested(row: Mapping[str, Any], name: str) -> str:
    low, high, p = (row[f"{name}_{part}"] for part in ("low", "high", "p"))
    return f"{number(row[name])} [{number(low)} to {number(high)}], p = {p:.3g}"
