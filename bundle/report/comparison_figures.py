"""Figures 2 to 6 and 9 of the paper, drawn from a comparison's values; each only where its values are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bundle.conventions import ATTRIBUTION
from bundle.metrics.summary import mean
from bundle.report.comparison_csv import Comparison, Row, distinct, select
from bundle.report.comparison_rows import ALPHA_METHOD, REFERENCE, compared_rows
from bundle.report.estimator_figures import SCORE_OF_MAP, Curve, auprc_figure, threshold_figure
from bundle.report.figure_files import COLOURS, STYLES, add_legend, panels, save_figure
from bundle.report.table_layout import file_label

_SWEPT = {"dice": "Dice", "auprc": "AUPRC", "auroc": "AUROC", "tpr": "TPR", "tnr": "TNR"}
_GROUPS = {"healthy": "healthy subjects", "patient_outside": "patients, outside lesions", "lesion": "lesions"}


def make_figures(comparison: Comparison) -> dict[str, Figure]:
    """Draw every figure that has values, for each cohort and condition.

    Returns:
        Name of a file, without its ending -> figure.

    Raises:
        ValueError: When curves of Dice have different numbers of thresholds.
    """
    return dict(_figures(comparison))


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PNG and SVG and return the files."""
    return [path for name, figure in figures.items() for path in save_figure(figure, folder, name)]


def _figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    for cohort in distinct(comparison.results, "cohort"):
        results = select(comparison.results, cohort=cohort)
        curves = select(comparison.dice_over_threshold, cohort=cohort)
        for condition in distinct(results, "condition"):
            drawn = {
                "fig2": alpha_figure(results, condition),
                "fig3": threshold_figure(select(curves, condition=condition), averaged=True),
                "fig4": threshold_figure(select(curves, condition=condition), averaged=False),
                "fig5": auprc_figure(select(results, condition=condition), averaged=True),
                "fig6": auprc_figure(select(results, condition=condition), averaged=False),
            }
            yield from _titled(drawn, cohort, condition)
        yield from _titled({"fig9": histogram_figure(results, select(comparison.histograms, cohort=cohort))}, cohort)


def _titled(drawn: Mapping[str, Figure | None], *place: str) -> Iterator[tuple[str, Figure]]:
    for name, figure in drawn.items():
        if figure is not None:
            figure.suptitle(", ".join(place), fontsize=11)
            yield file_label(name, *place), figure


def alpha_figure(results: Sequence[Row], condition: str) -> Figure | None:
    """Draw figure 2: metrics of Unsup over the loss weight, a panel a training attribution.

    Args:
        results: rows of ``results.csv`` of one cohort; methods named ``unsup@alpha=VALUE`` are the sweep.
        condition: condition of Dice, AUPRC and AUROC; the rates are of all.

    Returns:
        The figure, or None with fewer than two weights.
    """
    sweep: dict[str, dict[float, list[Row]]] = {}
    for row in results:
        match = ALPHA_METHOD.fullmatch(row["method"])
        if match and match[1] == REFERENCE:
            sweep.setdefault(row["estimator"], {}).setdefault(float(match[2]), []).append(row)
    lines = {name: _alpha_curves(weights, name, condition) for name, weights in sweep.items()}
    lines = {name: found for name, found in lines.items() if {"Dice", "AUPRC"} & found.keys()}
    if not lines:
        return None
    figure, axes = panels([f"trained with {name.upper()}" for name in lines])
    for axis, found in zip(axes, lines.values(), strict=True):
        for number, label in enumerate(_SWEPT.values()):
            if label in found:
                style = STYLES[number]
                axis.plot(*found[label], color=COLOURS[number], linestyle=style, marker="o", markersize=3, label=label)
        weights = sorted({float(weight) for places, _ in found.values() for weight in places})
        smallest = min((weight for weight in weights if weight > 0), default=1.0)
        axis.set_xscale("symlog", linthresh=smallest)  # a weight of 0 has no logarithm
        axis.set_xticks(weights, [f"{weight:g}" for weight in weights])
        axis.minorticks_off()
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel(r"loss weight $\alpha$")
    add_legend(figure)
    return figure


def _alpha_curves(weights: Mapping[float, Sequence[Row]], estimator: str, condition: str) -> dict[str, Curve]:
    curves = {}
    for metric, label in _SWEPT.items():
        points = {}
        for weight in sorted(weights):
            found = select(weights[weight], metric=metric)
            if metric not in ("tpr", "tnr"):
                own = SCORE_OF_MAP.get(estimator.upper(), ATTRIBUTION)  # the map that was constrained, else G
                found = select(found, condition=condition)
                found = select(found, score=own) or select(found, score=ATTRIBUTION)
            points[weight] = mean(row["value"] for row in found)
        known = {weight: value for weight, value in points.items() if not np.isnan(value)}
        if len(known) > 1:
            curves[label] = np.array(list(known)), np.array(list(known.values()))
    return curves


def histogram_figure(results: Sequence[Row], histograms: Sequence[Row]) -> Figure | None:
    """Draw figure 9: densities of attributions in healthy subjects and patients, a panel a method.

    Args:
        results: rows of ``results.csv`` of the cohort, which choose the rows as in table IV.
        histograms: rows of ``attribution_histograms.csv`` of the cohort. Of several seeds the first is drawn, because
            their bins need not agree.

    Returns:
        The figure, or None without counts.
    """
    shown = [row for row in compared_rows(results) if row.score in (ATTRIBUTION, "grad_cam")]
    found = {row.label: select(row.of(histograms), score=row.score) for row in shown}
    found = {label: select(rows, seed=rows[0]["seed"]) for label, rows in found.items() if rows}
    found = {label: rows for label, rows in found.items() if any(row["count"] > 0 for row in rows)}
    if not found:
        return None
    figure, axes = panels([f"{label} (seed {rows[0]['seed']})" for label, rows in found.items()])
    for axis, rows in zip(axes, found.values(), strict=True):
        for number, (group, label) in enumerate(_GROUPS.items()):
            bins = sorted(select(rows, group=group), key=lambda row: row["bin_left"])
            counts = np.array([row["count"] for row in bins])
            if counts.sum() > 0:
                edges = np.array([bins[0]["bin_left"], *(row["bin_right"] for row in bins)])
                density = counts / (counts.sum() * np.diff(edges))
                axis.stairs(density, edges, color=COLOURS[number], linestyle=STYLES[number], linewidth=1.4, label=label)
        axis.axvline(0.0, color="#888888", linewidth=0.8)
        axis.set_xlabel("attribution")
        axis.locator_params(axis="x", nbins=4)  # long numbers
        axis.set_ylabel("density")
    add_legend(figure)
    return figure
