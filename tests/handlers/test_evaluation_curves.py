from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from bundle.handlers.evaluation_curves import POINTS, AttributionHistogram, dice_over_threshold, ranking_points
from bundle.handlers.items import BrainVoxels
from bundle.metrics import RankingCurve, SortedVoxels


@pytest.fixture
def voxels():
    rng = np.random.default_rng(0)
    lesion = rng.random(6000) < 0.3
    return (rng.normal(size=6000) + 1.5 * lesion).astype(np.float32), lesion


def test_points_are_few_and_their_areas_near(voxels):
    scores, lesion = voxels
    brain = RankingCurve.from_scores(torch.tensor(scores), torch.tensor(lesion))
    points = ranking_points(brain, brain.with_lowest(100, 900))
    assert all(len(values) == POINTS for curve in points.values() for values in curve.values())
    area = np.trapezoid(points["roc_brain"]["tpr"], points["roc_brain"]["fpr"])
    assert area == pytest.approx(roc_auc_score(lesion, scores), abs=2e-3)
    all_scores = np.append(scores, np.full(1000, -1e9))
    all_lesion = np.append(lesion, np.arange(1000) < 100)
    area = np.trapezoid(points["roc"]["tpr"], points["roc"]["fpr"])
    assert area == pytest.approx(roc_auc_score(all_lesion, all_scores), abs=2e-3)
    steps = np.sum(np.diff(points["pr"]["recall"], prepend=0) * points["pr"]["precision"])
    assert steps == pytest.approx(average_precision_score(all_lesion, all_scores), abs=5e-3)
    ends = [(curve["fpr"][place], curve["tpr"][place]) for curve in (points["roc"],) for place in (0, -1)]
    assert ends == [(0.0, 0.0), (1.0, 1.0)]


@pytest.mark.parametrize("lesion", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_points(lesion):
    curve = RankingCurve.from_scores(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(lesion))
    assert ranking_points(curve, curve) == {}


def test_dice_over_threshold(voxels):
    scores, lesion = voxels
    halves = [(scores[:3000], lesion[:3000], 5), (scores[3000:], lesion[3000:], 0)]
    parts = [SortedVoxels.from_scores(torch.tensor(s), torch.tensor(mask)) for s, mask, _ in halves]
    found = dice_over_threshold(parts, [5, 0], RankingCurve.pooled(parts).thresholds, 0.75)
    assert 0.75 in found["threshold"] and found["threshold"] == sorted(found["threshold"])
    assert len(found["threshold"]) <= 61
    for place in (0, 30, 60):
        called = [s >= found["threshold"][place] for s, _, _ in halves]
        dice = [
            2 * (mask & hit).sum() / (hit.sum() + mask.sum() + missed)
            for (_, mask, missed), hit in zip(halves, called, strict=True)
        ]
        assert found["mean"][place] == pytest.approx(np.mean(dice))
        assert found["sd"][place] == pytest.approx(np.std(dice, ddof=1))


def brain_voxels(values, lesion):
    return BrainVoxels({"attribution": torch.tensor(values)}, torch.tensor(lesion), 0, 0)


def test_histogram():
    histogram = AttributionHistogram()
    assert histogram.as_dict() == {}
    histogram.add(brain_voxels([-1.0, -0.5, 1.0], [False] * 3), "attribution", label=0, annotated=False)
    histogram.add(brain_voxels([0.5, 9.0, -9.0], [True, True, False]), "attribution", label=1, annotated=True)
    histogram.add(brain_voxels([0.5, 0.5, 0.5], [False] * 3), "attribution", label=1, annotated=False)
    found = histogram.as_dict()
    edges = np.array(found["edges"])
    assert len(edges) == 81 and edges[40] == 0 and edges[-1] == pytest.approx(2.0) and edges[0] == -edges[-1]
    assert [sum(found[group]) for group in ("healthy", "patient_outside", "lesion")] == [3, 1, 2]
    assert found["lesion"][-1] == 1 and found["patient_outside"][0] == 1  # beyond the range: in the end bins
    assert sum(found["healthy"][:40]) == 2 and sum(found["healthy"][40:]) == 1


def test_values_that_are_no_numbers_are_left_to_the_ranking():
    histogram = AttributionHistogram()
    histogram.add(brain_voxels([float("nan"), 1.0], [True, False]), "attribution", label=1, annotated=True)
    assert histogram.as_dict() == {}
