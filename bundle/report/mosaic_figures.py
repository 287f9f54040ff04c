"""The best, the median and the worst subject of a condition side by side, as in the paper's figures 7 and 8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bundle.conventions import HEALTHY
from bundle.handlers.report_slices import ReportSlices
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.html_parts import number
from bundle.report.slice_pictures import FALSE, FOUND, MAP_COLOURS, MISSED, draw_panels, panel_titles

_SIZE = 300  # pixels of a panel
_NAME = 28  # characters of a name beside a picture


def mosaic_figures(run: EvaluationRun) -> Iterator[tuple[str, Figure]]:
    """Draw one figure a condition, the healthy subjects last; conditions without slices are left out.

    Patients are ranked by the Dice of the method, healthy subjects by the volume that was called anomalous.
    """
    numbers = {row["subject"]: place for place, row in enumerate(run.subjects, 1)}
    groups = {condition: run.annotated(condition) for condition in run.conditions}
    groups["healthy"] = [row for row in run.subjects if row["label"] == HEALTHY]
    for condition, rows in groups.items():
        measure = f"{run.method}_volume_ml" if condition == "healthy" else f"{run.method}_dice"
        chosen = chosen_subjects(rows, measure, rising=condition == "healthy")
        found = {
            f"{condition}, {place}\n{shorten(row['subject'])}\n{_measured(row, run.method)}": slices
            for place, row in chosen.items()
            if (slices := run.slices(numbers[row["subject"]])) is not None
        }
        if found:
            yield condition, _figure(found)


def chosen_subjects(
    rows: Sequence[Mapping[str, Any]], measure: str, *, rising: bool = False
) -> dict[str, Mapping[str, Any]]:
    """Return the best, the median and the worst of the rows that have a value; fewer where there are fewer.

    Args:
        rows: rows of subjects.
        measure: column to rank by.
        rising: whether a low value is good.
    """
    known = [row for row in rows if row.get(measure) is not None]
    ranked = sorted(known, key=lambda row: (row[measure] if rising else -row[measure], row["subject"]))
    if len(ranked) < 3:
        return dict(zip(("best", "worst") if len(ranked) > 1 else ("only",), ranked, strict=False))
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}


def shorten(name: str) -> str:
    """Return a name that fits beside a picture."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _measured(row: Mapping[str, Any], method: str) -> str:
    if f"{method}_dice" in row:
        return f"Dice {number(row[f'{method}_dice'])}, lesion {row['lesion_ml']:.1f} ml"
    return f"{row[f'{method}_volume_ml']:.1f} ml called"


def _figure(found: Mapping[str, ReportSlices]) -> Figure:
    titles = panel_titles(next(iter(found.values())))
    figure = Figure(figsize=(2.45 * len(titles) + 0.4, 2.4 * len(found) + 1.0), layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(found), len(titles), squeeze=False)
    for row, (label, slices) in zip(axes, found.items(), strict=True):
        for axis, panel in zip(row, draw_panels(slices, slices.planes[0], _SIZE), strict=True):
            axis.imshow(panel, interpolation="none")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(label.replace("$", r"\$"), fontsize=8)  # a name is no formula
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    colours = ScalarMappable(Normalize(-1, 1), MAP_COLOURS)
    bar = figure.colorbar(colours, ax=axes, orientation="horizontal", shrink=0.3, aspect=25, pad=0.02, anchor=(0, 1))
    bar.set_ticks([-1, 0, 1], labels=["for health", "0", "for pathology"])
    bar.ax.tick_params(labelsize=8)
    handles = [Patch(color=colour, label=label) for label, colour in _KEY.items()]
    figure.legend(handles=handles, loc="outside lower right", ncols=3, frameon=False, fontsize=9)
    return figure


_KEY = {"found": FOUND, "called, not lesion": FALSE, "missed": MISSED}
