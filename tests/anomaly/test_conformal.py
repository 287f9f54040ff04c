from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from bundle.anomaly import (
    HealthySubjects,
    HighestScores,
    check_false_positive_bound,
    conformal_rank,
    conformal_threshold,
    smallest_threshold,
)


def threshold_of(scores, voxel_ml, false_positive_ml):
    scores = torch.as_tensor(scores, dtype=torch.float32)
    return smallest_threshold([HighestScores.from_scores(scores, voxel_ml, false_positive_ml)], false_positive_ml)


def called_ml(scores, voxel_ml, threshold):
    return int((scores >= threshold).sum()) * voxel_ml


@pytest.mark.parametrize("subjects", [1, 4, 9, 10, 19, 20, 29, 30, 50, 99])
@pytest.mark.parametrize("risk", [0.01, 0.05, 0.1, 0.2, 0.29, 0.3, 0.5, 0.7, 0.9])
def test_rank_against_every_order(subjects, risk):
    """Of n + 1 exchangeable values the last exceeds the k-th smallest of the others in n + 1 - k of n + 1 orders."""
    hundredths = round(100 * risk)
    allowed = [rank for rank in range(1, subjects + 1) if 100 * (subjects + 1 - rank) <= hundredths * (subjects + 1)]
    if allowed:
        assert conformal_rank(subjects, risk) == min(allowed)
    else:
        with pytest.raises(ValueError, match=f"got {subjects}; the smallest risk .* is 1/{subjects + 1} "):
            conformal_rank(subjects, risk)


def test_guarantee_over_all_orders_of_five_subjects():
    values = [0.3, 1.2, 1.2, 2.0, 5.0]  # a tie can only help
    for risk in (0.2, 0.4, 0.6):
        orders = list(itertools.permutations(values))
        exceeded = sum(order[-1] > conformal_threshold(order[:-1], risk) for order in orders)
        assert exceeded <= risk * len(orders) + 1e-9
    distinct = list(itertools.permutations([0.3, 1.2, 1.3, 2.0, 5.0]))
    assert sum(order[-1] > conformal_threshold(order[:-1], 0.4) for order in distinct) == 0.4 * len(distinct)


@pytest.mark.parametrize(("subjects", "risk"), [(9, 0.1), (20, 0.1), (30, 0.25)])
def test_guarantee_by_simulation(subjects, risk):
    """Subjects are 40 voxels of a skewed distribution that differs between them; 3 of them may be called."""
    random = np.random.default_rng(11)
    draws, exceeded = 2000, 0
    for _ in range(draws):
        scale = random.lognormal(sigma=0.5, size=(subjects + 1, 1))
        scores = torch.from_numpy((scale * random.exponential(size=(subjects + 1, 40))).astype(np.float32))
        known = torch.nextafter(scores[:-1].sort(descending=True).values[:, 3], torch.tensor(math.inf)).tolist()
        exceeded += called_ml(scores[-1], 1.0, conformal_threshold(known, risk)) > 3.0
    exact = math.floor(risk * (subjects + 1) + 1e-9) / (subjects + 1)  # of a continuous distribution
    assert exact <= risk and binomtest(exceeded, draws, exact).pvalue > 0.01


def test_smallest_threshold_by_trying_every_one():
    random = np.random.default_rng(3)
    for _ in range(200):
        size = int(random.integers(1, 60))
        scores = torch.from_numpy(random.standard_normal(size).round(int(random.integers(0, 3))).astype(np.float32))
        voxel_ml = float(random.choice([0.001, 0.008, 0.5, 1.0]))
        allowed = voxel_ml * int(random.integers(0, size + 3))
        threshold = threshold_of(scores, voxel_ml, allowed)
        if size * voxel_ml <= allowed:
            assert threshold == -math.inf
            continue
        assert called_ml(scores, voxel_ml, threshold) <= allowed
        below = float(torch.nextafter(torch.tensor(threshold, dtype=torch.float32), torch.tensor(-math.inf)))
        assert called_ml(scores, voxel_ml, below) > allowed  # no smaller float32 threshold will do


def test_tied_voxels_are_called_together():
    above_two = float(np.nextafter(np.float32(2), np.float32(3)))
    assert threshold_of([3.0, 2.0, 2.0, 2.0, 1.0], 1.0, 1.0) == above_two
    assert threshold_of([3.0, 2.0, 2.0, 2.0, 1.0], 1.0, 3.9) == above_two
    assert threshold_of([3.0, 2.0, 2.0, 2.0, 1.0], 1.0, 4.0) == float(np.nextafter(np.float32(1), np.float32(3)))
    assert threshold_of([0.0, 0.0], 1.0, 0.0) > 0  # the smallest positive number calls none of the zeros
    assert not (torch.zeros(2) >= threshold_of([0.0, 0.0], 1.0, 0.0)).any()


def test_whole_voxels_in_the_volume_are_not_lost_to_rounding():
    scores = torch.arange(2000.0)
    for count in range(0, 1999, 7):
        assert called_ml(scores, 0.001, threshold_of(scores, 0.001, count * 0.001)) == count * 0.001
    assert called_ml(scores, 0.008, threshold_of(scores, 0.008, 10.0)) == 10.0  # 1250 voxels of 2 mm


def test_more_than_the_brain_bounds_nothing():
    assert threshold_of([1.0, 2.0], 1.0, 2.0) == threshold_of([1.0, 2.0], 1.0, 100.0) == -math.inf
    with pytest.raises(ValueError, match="less than the brain in an image, but 3 of 4 healthy"):
        conformal_threshold([-math.inf, 1.0, -math.inf, -math.inf], 0.4)
    assert conformal_threshold([-math.inf, 1.0, -math.inf, -math.inf], 0.2) == 1.0


def test_volumes_are_summed_over_the_slices_of_a_person():
    random = np.random.default_rng(4)
    for voxel_ml in ([0.5, 0.5, 0.5], [0.5, 0.25, 2.0]):
        images = [torch.from_numpy(random.standard_normal(30).astype(np.float32)) for _ in voxel_ml]
        for allowed in (0.0, 0.4, 3.0, 7.7):
            parts = [HighestScores.from_scores(s, ml, allowed) for s, ml in zip(images, voxel_ml, strict=True)]
            threshold = smallest_threshold(parts, allowed)
            candidates = torch.cat(images).sort().values
            totals = [
                sum(called_ml(s, ml, t) for s, ml in zip(images, voxel_ml, strict=True)) for t in candidates.tolist()
            ]
            too_much = max(t for t, total in zip(candidates.tolist(), totals, strict=True) if total > allowed)
            assert threshold == float(np.nextafter(np.float32(too_much), np.float32(math.inf)))


def test_a_person_counts_once():
    subjects = HealthySubjects(1.0, 0.5)
    for person, scores in (("a", [5.0, 4.0]), ("b", [3.0, 1.0]), ("a", [9.0, 0.0])):
        subjects.add(person, {"attribution": torch.tensor(scores)}, 1.0)
    assert len(subjects) == 2
    expected = [float(np.nextafter(np.float32(value), np.float32(9))) for value in (5.0, 1.0)]
    assert subjects.smallest_thresholds("attribution") == expected
    record = subjects.record(["attribution"])
    assert record == {
        "false_positive_ml": 1.0,
        "false_positive_risk": 0.5,
        "subjects": 2,
        "rank": 2,
        "thresholds": {"attribution": expected[0]},
    }


def test_too_few_subjects_name_the_limit():
    with pytest.raises(
        ValueError, match=r"risk of 0\.1 needs at least 9 healthy subjects, got 5; .* 5 can give is 1/6 \(0\.167\)"
    ):
        conformal_rank(5, 0.1)
    assert conformal_rank(9, 0.1) == 9 and conformal_rank(10, 0.1) == 10 and conformal_rank(19, 0.1) == 18


@pytest.mark.parametrize(
    ("volume", "risk", "match"),
    [
        (-1.0, 0.1, r"at least 0, got -1\.0"),
        (math.nan, 0.1, "finite .* got nan"),
        (1.0, 0.0, r"\(0, 1\), got 0\.0"),
        (1.0, 1.0, r"\(0, 1\), got 1\.0"),
    ],
)
def test_wrong_bound(volume, risk, match):
    with pytest.raises(ValueError, match=match):
        check_false_positive_bound(volume, risk)
    with pytest.raises(ValueError, match=match):
        HealthySubjects(volume, risk)


def test_wrong_scores():
    with pytest.raises(ValueError, match="finite, got 1 NaN"):
        HighestScores.from_scores(torch.tensor([1.0, math.nan]), 1.0, 0.0)
    with pytest.raises(ValueError, match=r"positive, got 0\.0"):
        HighestScores.from_scores(torch.tensor([1.0]), 0.0, 1.0)
