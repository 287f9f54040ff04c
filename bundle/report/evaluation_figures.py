"""Figures of an evaluation: ranking curves, Dice over threshold, histograms of attributions, decisions, volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bundle.conventions import HEALTHY, PATHOLOGICAL
from bundle.report.comparison_csv import distinct, select
from bundle.report.comparison_figures import alpha_figure
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.figure_files import COLOURS, STYLES, add_legend, panels
from bundle.report.html_parts import number

_GROUPS = {"healthy": "healthy subjects", "patient_outside": "patients, outside lesions", "lesion": "lesions"}


def evaluation_figures(run: EvaluationRun) -> Iterator[tuple[str, str, Figure]]:
    """Yield kind, place and figure of all that can be drawn; a place is a condition, or empty for all subjects."""
    for condition in run.conditions:
        curves = [row for row in run.curves.get("curves", []) if row["condition"] == condition]
        for kind, draw in _OF_CURVES.items():
            figure = draw(run, curves)
            if figure is not None:
                yield kind, condition, figure
        yield "volumes", condition, volume_figure(run, condition)
    histogram = histogram_figure(run)
    if histogram is not None:
        yield "histogram", "", histogram
    yield "decisions", "", decision_figure(run)
    for cohort in distinct(run.sweep, "cohort"):
        rows = select(run.sweep, cohort=cohort)
        for condition in distinct(rows, "condition"):
            sweep = alpha_figure(rows, condition)
            if sweep is not None:
                yield "sweep", f"{cohort}, {condition}", sweep


def ranking_figure(run: EvaluationRun, curves: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw precision over recall and both ROC curves of a condition; None without points."""
    curves = [row for row in curves if "pr" in row]
    if not curves:
        return None
    figure, axes = panels(["precision over recall, whole image", "ROC, whole image", "ROC, brain voxels"])
    for place, row in enumerate(curves):
        style: dict[str, Any] = {"color": COLOURS[place % 7], "linestyle": STYLES[place % 7], "label": row["score"]}
        axes[0].plot(row["pr"]["recall"], row["pr"]["precision"], **style)
        axes[1].plot(row["roc"]["fpr"], row["roc"]["tpr"], **style)
        axes[2].plot(row["roc_brain"]["fpr"], row["roc_brain"]["tpr"], **style)
    for axis in axes:
        axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes[0].set(xlabel="recall", ylabel="precision")
    for axis in axes[1:]:
        axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        axis.set(xlabel="false-positive rate", ylabel="true-positive rate")
        axis.axvline(0.1, color="#999999", linewidth=0.8, linestyle=":")
    add_legend(figure)
    return figure


def dice_figure(run: EvaluationRun, curves: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw mean Dice ± sd over the threshold, a panel a score, with the threshold in use; None without values."""
    curves = [row for row in curves if row.get("dice", {}).get("threshold")]
    if not curves:
        return None
    figure, axes = panels([row["score"] for row in curves])
    for place, (axis, row) in enumerate(zip(axes, curves, strict=True)):
        threshold, mean, sd = (np.array(row["dice"][key], dtype=float) for key in ("threshold", "mean", "sd"))
        colour = COLOURS[place % 7]
        axis.plot(threshold, mean, color=colour, label="mean over subjects" if place == 0 else None)
        axis.fill_between(threshold, np.maximum(mean - sd, 0), mean + sd, color=colour, alpha=0.2, linewidth=0)
        used = run.record["thresholds"][row["score"]]
        axis.axvline(used, color="black", linestyle="--", linewidth=1, label="threshold in use" if place == 0 else None)
        low, high = np.quantile(threshold, (0.1, 0.9))  # the ends of the range are far off
        axis.set(xlim=(min(low, used), max(high, 2 * used)), ylim=(0, 1), xlabel="threshold", ylabel="Dice")
        axis.ticklabel_format(axis="x", scilimits=(-2, 3))
    add_legend(figure)
    return figure


def volume_figure(run: EvaluationRun, condition: str) -> Figure:
    """Draw the volume that was called over the lesion's, a panel a score."""
    rows = run.annotated(condition)
    figure, axes = panels(run.scores)
    true = [row["lesion_ml"] for row in rows]
    for place, (axis, score) in enumerate(zip(axes, run.scores, strict=True)):
        called = [row[f"{score}_volume_ml"] for row in rows]
        axis.plot(true, called, "o", color=COLOURS[place % 7], markersize=5, alpha=0.8)
        top = 1.05 * max([*true, *called, 0.1])
        axis.plot([0, top], [0, top], color="#666666", linewidth=0.9, label="equal volumes" if place == 0 else None)
        axis.set(xlim=(0, top), ylim=(0, top), xlabel="lesion (ml)", ylabel="called (ml)")
    add_legend(figure)
    return figure


def histogram_figure(run: EvaluationRun) -> Figure | None:
    """Draw densities of the method's score in healthy subjects, and outside and inside lesions (figure 9)."""
    content = run.curves.get("histogram", {})
    counts = {group: np.array(content.get(group, []), dtype=float) for group in _GROUPS}
    counts = {group: values for group, values in counts.items() if values.sum() > 0}
    if not counts:
        return None
    figure, (axis,) = panels([f"{run.method}, brain voxels"])
    figure.set_size_inches(6.5, 3.8)
    edges = np.array(content["edges"])
    for place, (group, label) in enumerate(_GROUPS.items()):
        if group in counts:
            density = counts[group] / counts[group].sum() / np.diff(edges)
            axis.stairs(density, edges, color=COLOURS[place], linestyle=STYLES[place], linewidth=1.6, label=label)
    axis.axvline(0.0, color="#888888", linewidth=0.8)
    used = run.record["thresholds"][run.method]
    axis.axvline(used, color="black", linestyle="--", linewidth=1, label="threshold in use")
    axis.set_yscale("log")
    axis.minorticks_off()
    axis.set(xlabel=run.method, ylabel="density (log)")
    axis.ticklabel_format(axis="x", scilimits=(-2, 3))
    add_legend(figure)
    return figure


def decision_figure(run: EvaluationRun) -> Figure:
    """Draw the logit of every subject, a line a condition, with the decision point."""
    conditions = list(dict.fromkeys(row["condition"] for row in sorted(run.subjects, key=lambda row: row["label"])))
    figure, (axis,) = panels(["image logit of every subject"])
    figure.set_size_inches(6.5, 1.8 + 0.5 * len(conditions))
    for label, name, marker in ((HEALTHY, "healthy", "o"), (PATHOLOGICAL, "pathological", "^")):
        rows = [row for row in run.subjects if row["label"] == label]
        if rows:
            spread = np.random.default_rng(0).uniform(-0.18, 0.18, len(rows))  # so that equal logits stay apart
            heights = [conditions.index(row["condition"]) for row in rows] + spread
            logits = [row["logit"] for row in rows]
            axis.plot(logits, heights, marker, color=COLOURS[label], alpha=0.75, markersize=6, label=name)
    logit = run.record["decision"]["logit"]
    axis.axvline(logit, color="black", linestyle="--", linewidth=1, label=f"decision at {number(logit)}")
    names = [condition.replace("$", r"\$") for condition in conditions]
    axis.set_yticks(range(len(conditions)), names)
    axis.set_ylim(len(conditions) - 0.5, -0.5)
    axis.set_xlabel("logit; called pathological to the right of the line")
    add_legend(figure)
    return figure


_OF_CURVES: Mapping[str, Callable[[EvaluationRun, Sequence[Mapping[str, Any]]], Figure | None]] = {
    "ranking": ranking_figure,
    "dice": dice_figure,
}
