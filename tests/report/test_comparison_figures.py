from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest

from bundle.report.comparison_csv import Comparison
from bundle.report.comparison_figures import alpha_figure, histogram_figure, make_figures, save_figures
from bundle.report.estimator_figures import auprc_figure, threshold_figure

PLACE = {"cohort": "toy", "seed": "0", "condition": "tumour"}


def result(method, estimator, score, metric, value, **other):
    return {**PLACE, "method": method, "estimator": estimator, "score": score, "metric": metric, "value": value} | other


def swept(alpha, dice, tpr, **other):
    method = f"unsup@alpha={alpha}"
    return [
        result(method, "g", "attribution", "dice", dice, **other),
        result(method, "g", "", "tpr", tpr, condition="all", **other),
    ]


def lines_of(axis):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines}


def test_figure_2_by_hand():
    results = [*swept("10", 0.5, 0.75), *swept("1.0e-1", 0.25, 1.0), *swept("10", 0.75, 0.25, seed="1")]
    results += [result("unsup", "g", "attribution", "dice", 0.9)]  # not of the sweep
    figure = alpha_figure(results, "tumour")
    (axis,) = figure.axes
    assert lines_of(axis) == {"Dice": ([0.1, 10.0], [0.25, 0.625]), "TPR": ([0.1, 10.0], [1.0, 0.5])}
    assert axis.get_title() == "trained with G"
    assert alpha_figure(results, "ms") is None  # rates alone are no figure
    assert alpha_figure(results[:2], "tumour") is None  # one weight


def test_figure_2_shows_the_map_that_was_constrained():
    results = [
        result(f"unsup@alpha={alpha}", "eg", score, "auprc", value)
        for alpha, score, value in [(0, "attribution", 0.1), (0, "eg", 0.2), (1, "attribution", 0.3), (1, "eg", 0.4)]
    ]
    (axis,) = alpha_figure(results, "tumour").axes
    assert lines_of(axis) == {"AUPRC": ([0.0, 1.0], [0.2, 0.4])}


def curve(method, estimator, score, thresholds, dice, seed="0"):
    rows = zip(thresholds, dice, strict=True)
    place = {**PLACE, "method": method, "estimator": estimator, "score": score, "seed": seed}
    return [{**place, "threshold": threshold, "dice_mean": value, "dice_sd": 0.0} for threshold, value in rows]


def test_figure_3_is_the_mean_over_inference_maps():
    curves = [
        *curve("unsup", "g", "attribution", [0.0, 1.0, 2.0], [0.0, 0.6, 0.0]),
        *curve("unsup", "g", "eg", [0.0, 10.0, 70.0], [0.0, 0.3, 0.3]),  # of another unit
        *curve("unsup", "g", "ig", [2.0, -1.0, 0.0], [0.6, 0.0, 0.3]),  # rows in any order
        *curve("unsup", "eg", "eg", [0.0, 1.0], [0.5, 0.5]),  # no mean without the other maps
        *curve("no_cons", "", "attribution", [0.0, 1.0], [0.5, 0.5]),
    ]
    figure = threshold_figure(curves, averaged=True)
    assert [axis.get_title() for axis in figure.axes] == ["Unsup"]
    lines = lines_of(figure.axes[0])
    assert list(lines) == ["G"] and lines["G"][0] == [1.0, 2.0, 3.0]
    assert lines["G"][1] == pytest.approx([0.0, 0.4, 0.3])
    (axis,) = threshold_figure(curves, averaged=False).axes
    assert lines_of(axis) == {"EG.EG": ([1.0, 2.0], [0.5, 0.5])}
    assert threshold_figure([], averaged=False) is None


def test_figure_4_is_the_mean_over_seeds():
    curves = [
        *curve("ross", "eg", "eg", [0.0, 1.0], [0.2, 0.4], seed="0"),
        *curve("ross", "eg", "eg", [0.5, 3.0], [0.4, 0.8], seed="1"),
    ]
    (axis,) = threshold_figure(curves, averaged=False).axes
    assert lines_of(axis)["EG.EG"][1] == pytest.approx([0.3, 0.6])
    with pytest.raises(ValueError, match="got 1 and 2 for ross trained with EG"):
        threshold_figure(curves[:3], averaged=False)


def heights_of(axis):
    return {bars.get_label(): [bar.get_height() for bar in bars] for bars in axis.containers}


def test_figures_5_and_6_by_hand():
    results = [
        *(result("unsup", "g", score, "auprc", value) for score, value in [("attribution", 0.3), ("eg", 0.6)]),
        result("unsup", "g", "ig", "auprc", 0.8),
        result("unsup", "g", "ig", "auprc", 1.0, seed="1"),
        *(result("ross", "eg", score, "auprc", value) for score, value in [("attribution", 0.1), ("eg", 0.7)]),
    ]
    (axis,) = auprc_figure(results, averaged=True).axes
    heights = heights_of(axis)
    assert [text.get_text() for text in axis.get_xticklabels()] == ["Unsup", "Ross"]
    assert list(heights) == ["G"]  # EG lacks the inference with IG
    assert heights["G"] == pytest.approx([(0.3 + 0.6 + 0.9) / 3, np.nan], nan_ok=True)
    (axis,) = auprc_figure(results, averaged=False).axes
    assert heights_of(axis)["EG.EG"] == pytest.approx([np.nan, 0.7], nan_ok=True)
    assert auprc_figure(results[:4], averaged=False) is None


def counts(method, estimator, group, edges, values, seed="0", score="attribution"):
    place = {"cohort": "toy", "method": method, "estimator": estimator, "seed": seed, "group": group, "score": score}
    bins = zip(edges[:-1], edges[1:], values, strict=True)
    return [{**place, "bin_left": left, "bin_right": right, "count": count} for left, right, count in bins]


def test_figure_9_shows_densities():
    results = [result("unsup", "g", "attribution", "dice", 0.5), result("no_cons", "", "grad_cam", "dice", 0.5)]
    histograms = [
        *counts("unsup", "g", "healthy", [-2.0, -1.0, 0.0, 4.0], [1.0, 2.0, 1.0]),
        *counts("unsup", "g", "lesion", [-2.0, -1.0, 0.0, 4.0], [0.0, 0.0, 3.0]),
        *counts("unsup", "g", "healthy", [-8.0, 8.0], [9.0], seed="1"),
        *counts("no_cons", "", "healthy", [0.0, 1.0], [5.0], score="grad_cam"),
    ]
    figure = histogram_figure(results, histograms)
    assert [axis.get_title() for axis in figure.axes] == ["NoConsGC (seed 0)", "Unsup (seed 0)"]
    steps = {patch.get_label(): patch.get_data() for patch in figure.axes[1].patches}
    assert list(steps) == ["healthy subjects", "lesions"]
    assert list(steps["healthy subjects"].values) == pytest.approx([0.25, 0.5, 0.0625])
    for values, edges, _ in steps.values():
        assert (values * np.diff(edges)).sum() == pytest.approx(1.0)
    assert histogram_figure(results, []) is None


def test_pictures_are_written_and_not_blank(tmp_path):
    results = [*swept("1", 0.5, 0.75), *swept("2", 0.25, 1.0), result("unsup", "g", "attribution", "dice", 0.5)]
    results += [result("unsup", "eg", score, "auprc", 0.5) for score in ("attribution", "eg", "ig")]
    curves = [
        row
        for score in ("attribution", "eg", "ig")
        for row in curve("unsup", "eg", score, [0.0, 1.0, 2.0], [0.0, 0.5, 0.25])
    ]
    histograms = counts("unsup", "g", "healthy", [-1.0, 0.0, 1.0], [3.0, 1.0])
    written = save_figures(make_figures(Comparison(results, [], [], curves, histograms)), tmp_path / "figures")
    names = ["fig2_toy_tumour", "fig3_toy_tumour", "fig4_toy_tumour", "fig5_toy_tumour", "fig6_toy_tumour", "fig9_toy"]
    assert sorted(path.name for path in written) == sorted(
        f"{name}.{kind}" for name in names for kind in ("png", "svg")
    )
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())  # no temporary file is left
    for path in written:
        if path.suffix == ".png":
            pixels = matplotlib.image.imread(path)[..., :3]
            assert pixels.var() > 1e-3
            assert (abs(pixels.max(axis=-1) - pixels.min(axis=-1)) > 0.3).sum() > 50  # colours of a line or bar
        else:
            assert path.read_text().rstrip().endswith("</svg>")


def test_the_same_values_give_the_same_files(tmp_path):
    results = [*swept("1", 0.5, 0.75), *swept("2", 0.25, 1.0)]
    first, second = (save_figures(make_figures(Comparison(results, [], [], [], [])), tmp_path / name) for name in "ab")
    assert len(first) == 2
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_without_values_nothing_is_drawn(tmp_path):
    results = [result("unsup", "g", "attribution", "dice", 0.5)]
    figures = make_figures(Comparison(results, [], [], [], []))
    assert figures == {} and save_figures(figures, tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()
