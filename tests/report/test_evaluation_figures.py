from __future__ import annotations

import json

import numpy as np
import pytest

from bundle.report.evaluation_figures import evaluation_figures, histogram_figure
from bundle.report.evaluation_run import EvaluationRun, read_evaluation
from bundle.report.mosaic_figures import chosen_subjects, mosaic_figures, shorten
from tests.report.evaluation_toy import write_evaluation


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return read_evaluation(write_evaluation(tmp_path_factory.mktemp("toy")))


@pytest.fixture(scope="module")
def figures(run):
    return {(kind, place): figure for kind, place, figure in evaluation_figures(run)}


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines()}


def test_what_is_drawn(figures):
    assert list(figures) == [
        *((kind, "tumour") for kind in ("ranking", "dice", "volumes")),
        ("histogram", ""),
        ("decisions", ""),
    ]


def test_areas_of_the_drawn_curves(figures, run):
    precision, roc, roc_brain = figures["ranking", "tumour"].axes
    for row in run.record["summary"][:2]:
        for axis, key in ((roc, "auroc"), (roc_brain, "auroc_brain")):
            fpr, tpr = lines(axis)[row["score"]].get_data()
            assert np.trapezoid(tpr, fpr) == pytest.approx(row[key], abs=0.01)
        recall, found = lines(precision)[row["score"]].get_data()
        assert np.sum(np.diff(recall, prepend=0.0) * found) == pytest.approx(row["auprc"], abs=0.01)


def test_dice_at_the_threshold_in_use_is_that_of_the_table(figures, run):
    for axis, row in zip(figures["dice", "tumour"].axes, run.record["summary"], strict=False):
        curve, used = axis.get_lines()
        assert used.get_xdata()[0] == row["threshold"]
        place = np.argmin(np.abs(curve.get_xdata() - row["threshold"]))
        assert curve.get_ydata()[place] == pytest.approx(row["dice"], abs=1e-9)


def test_volumes_and_decisions(figures, run):
    points = figures["volumes", "tumour"].axes[0].get_lines()[0]
    rows = run.annotated("tumour")
    assert points.get_xdata().tolist() == [row["lesion_ml"] for row in rows]
    assert points.get_ydata().tolist() == [row["attribution_volume_ml"] for row in rows]
    (axis,) = figures["decisions", ""].axes
    assert sorted(lines(axis)["pathological"].get_xdata()) == [-1.5, 1.0, 2.0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["healthy", "tumour"]
    assert lines(axis)["decision at 0.100"].get_xdata()[0] == 0.1


def test_densities_add_up_to_one(figures):
    steps = [patch.get_data() for patch in figures["histogram", ""].axes[0].patches]
    assert len(steps) == 3
    for values, edges, _ in steps:
        assert np.sum(values * np.diff(edges)) == pytest.approx(1.0)


def test_without_curves(run):
    plain = EvaluationRun(run.folder, run.record)
    assert histogram_figure(plain) is None
    assert [kind for kind, _, _ in evaluation_figures(plain)] == ["volumes", "decisions"]


def test_sweep(run):
    place = {"cohort": "toy", "estimator": "g", "condition": "tumour", "score": "attribution"}
    rows = [
        {**place, "method": f"unsup@alpha={alpha}", "metric": metric, "value": 0.1 * alpha}
        for alpha in (1, 2)
        for metric in ("dice", "auprc")
    ]
    drawn = list(evaluation_figures(EvaluationRun(run.folder, run.record, sweep=rows)))
    assert [found[:2] for found in drawn if found[0] == "sweep"] == [("sweep", "toy, tumour")]


def test_mosaics_show_best_median_and_worst(run):
    figures = dict(mosaic_figures(run))
    assert list(figures) == ["tumour", "healthy"]
    named = [axis.get_ylabel() for axis in figures["tumour"].axes if axis.get_ylabel()]
    dice = {row["subject"]: row["attribution_dice"] for row in run.annotated("tumour")}
    order = sorted(dice, key=dice.get, reverse=True)
    assert [label.split("\n")[:2] for label in named] == [
        [f"tumour, {place}", subject] for place, subject in zip(("best", "median", "worst"), order, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "rising", "expected"),
    [
        ([0.1, 0.9, 0.5, 0.3, None], False, {"best": "s1", "median": "s3", "worst": "s0"}),
        ([0.1, 0.9, 0.5], True, {"best": "s0", "median": "s2", "worst": "s1"}),
        ([0.1, 0.9], False, {"best": "s1", "worst": "s0"}),
        ([0.1], False, {"only": "s0"}),
        ([None], False, {}),
    ],
)
def test_chosen_subjects(values, rising, expected):
    rows = [{"subject": f"s{place}", "dice": value} for place, value in enumerate(values)]
    found = chosen_subjects(rows, "dice", rising=rising)
    assert {place: row["subject"] for place, row in found.items()} == expected


def test_long_names():
    assert shorten("x" * 28) == "x" * 28 and shorten("x" * 29) == "x" * 27 + "…"


def test_curves_are_thin(run):
    content = json.loads((run.folder / "curves.json").read_text())
    for row in content["curves"]:
        assert all(len(values) <= 200 for name in ("pr", "roc", "roc_brain") for values in row[name].values())
