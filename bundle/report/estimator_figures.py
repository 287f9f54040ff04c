"""Figures 3 to 6 of the paper: what the attribution of training and of inference does to Dice and AUPRC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bundle.conventions import ATTRIBUTION
from bundle.metrics.summary import mean
from bundle.report.comparison_csv import Row, distinct, select
from bundle.report.comparison_rows import LABELS
from bundle.report.figure_files import COLOURS, STYLES, add_legend, panels
from bundle.report.paper_values import AGREEMENT_METHODS

SCORE_OF_MAP: Mapping[str, str] = {"G": ATTRIBUTION, "EG": "eg", "IG": "ig", "IEG": "ieg"}
"""Attribution at inference -> its score."""

_TRAINING = ("G", "EG", "IG", "IEG")
_INFERENCE = ("G", "EG", "IG")  # "either G, EG or IG have been used at inference" (section IV)
_PAIRS = ("EG.EG", "IG.EG", "IEG.EG", "IG.IG", "EG.IG", "IEG.IG")  # figures 4 and 6: training.inference

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Places in ascending order, and the value at each."""


def threshold_figure(curves: Sequence[Row], *, averaged: bool) -> Figure | None:
    """Draw figure 3 or 4: Dice over the threshold, a panel a constraint.

    The k-th threshold of every score calls the same share of the voxels anomalous. So curves of scores of any unit are
    set beside each other, and averaged, by the number of the threshold and not by its value.

    Args:
        curves: rows of ``dice_over_threshold.csv`` of one cohort and condition.
        averaged: a line a training attribution, the mean over the inference maps (figure 3), or a line a pair of both
            (figure 4).

    Returns:
        The figure, or None without a line.

    Raises:
        ValueError: When two curves that are averaged have different numbers of thresholds.
    """
    lines: dict[str, dict[str, Curve]] = {}
    for method in distinct(curves, "method"):
        if method in AGREEMENT_METHODS:
            own = {name: _mean_curve(select(curves, method=method), name, averaged) for name in _names(averaged)}
            lines[method] = {name: curve for name, curve in own.items() if curve is not None}
    lines = {method: found for method, found in lines.items() if found}
    if not lines:
        return None
    figure, axes = panels([LABELS[method] for method in AGREEMENT_METHODS if method in lines])
    for axis, method in zip(axes, [name for name in AGREEMENT_METHODS if name in lines], strict=True):
        for number, name in enumerate(_names(averaged)):
            if name in lines[method]:
                axis.plot(*lines[method][name], color=COLOURS[number], linestyle=STYLES[number], label=name)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("threshold (number, rising)")
        axis.set_ylabel("Dice")
    add_legend(figure)
    return figure


def _mean_curve(curves: Sequence[Row], name: str, averaged: bool) -> Curve | None:
    """Mean over seeds and inference maps, threshold by threshold in rising order."""
    training, scores = _training_and_scores(name, averaged)
    found = select(curves, estimator=training)
    if not all(select(found, score=score) for score in scores):
        return None
    single = [
        [row["dice_mean"] for row in sorted(select(found, score=score, seed=seed), key=lambda row: row["threshold"])]
        for score in scores
        for seed in distinct(select(found, score=score), "seed")
    ]
    lengths = sorted({len(values) for values in single})
    if len(lengths) > 1:
        raise ValueError(
            f"dice_over_threshold.csv must have equally many thresholds in every curve, got {lengths[0]} and "
            f"{lengths[-1]} for {found[0]['method']} trained with {name.partition('.')[0]}. Run the comparison again."
        )
    return np.arange(1.0, lengths[0] + 1), np.mean(single, axis=0)


def auprc_figure(results: Sequence[Row], *, averaged: bool) -> Figure | None:
    """Draw figure 5 or 6: AUPRC bars, a group a constraint.

    Args:
        results: rows of ``results.csv`` of one cohort and condition.
        averaged: a bar a training attribution, the mean over the inference maps (figure 5), or a bar a pair of both
            (figure 6). A training without one of the maps has no bar.

    Returns:
        The figure, or None without a bar.
    """
    areas = select(results, metric="auprc")
    methods = [method for method in AGREEMENT_METHODS if select(areas, method=method)]
    bars = {
        name: [_mean_area(select(areas, method=method), name, averaged) for method in methods]
        for name in _names(averaged)
    }
    bars = {name: heights for name, heights in bars.items() if not np.isnan(heights).all()}
    if not bars:
        return None
    figure, (axis,) = panels(["mean over inference with G, EG and IG" if averaged else "training.inference"])
    figure.set_size_inches(1.6 * len(methods) + 3.0, 3.8)
    width = 0.8 / len(bars)
    for number, (name, heights) in enumerate(bars.items()):
        places = np.arange(len(methods)) + (number - (len(bars) - 1) / 2) * width
        colour = COLOURS[_names(averaged).index(name)]
        axis.bar(places, heights, width, color=colour, edgecolor="white", label=name)
    axis.set_xticks(range(len(methods)), [LABELS[method] for method in methods])
    axis.set_axisbelow(True)
    axis.set_ylabel("AUPRC")
    axis.set_ylim(0.0, 1.0)
    add_legend(figure)
    return figure


def _mean_area(areas: Sequence[Row], name: str, averaged: bool) -> float:
    training, scores = _training_and_scores(name, averaged)
    values = [mean(row["value"] for row in select(areas, estimator=training, score=score)) for score in scores]
    return float(np.mean(values))  # NaN where one is unknown


def _names(averaged: bool) -> tuple[str, ...]:
    return _TRAINING if averaged else _PAIRS


def _training_and_scores(name: str, averaged: bool) -> tuple[str, list[str]]:
    training, _, inference = name.partition(".")
    return training.lower(), [SCORE_OF_MAP[map_] for map_ in (_INFERENCE if averaged else (inference,))]
