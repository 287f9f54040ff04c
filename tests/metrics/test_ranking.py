from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from bundle.metrics import RankingCurve, SortedVoxels, auprc, auroc, auroc10, ranking_values
from tests.oracles import ranking as oracle

MASK = torch.tensor([0, 1, 0, 1, 1, 0, 0, 0])


def scores(kind: str, size: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    mask = torch.rand(size, generator=generator) < 0.1
    values = torch.randn(size, generator=generator) + mask
    if kind == "ties":
        values = (values * 2).round()
    elif kind == "constant":
        values = torch.zeros(size)
    elif kind == "reversed":
        values = -mask.float()
    elif kind == "float64":
        values = values.double()
    return values, mask


@pytest.mark.parametrize("kind", ["random", "ties", "constant", "reversed", "float64"])
def test_agrees_with_scikit_learn(kind):
    values, mask = scores(kind)
    expected = mask.numpy(), values.numpy()
    assert auprc(values, mask) == pytest.approx(average_precision_score(*expected), abs=1e-12)
    assert auroc(values, mask) == pytest.approx(roc_auc_score(*expected), abs=1e-12)
    assert auroc10(values, mask) == pytest.approx(oracle.auroc10(*expected), abs=1e-12)


def random_image(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw an image of any size, lesion fraction and amount of ties, among them constant maps and single classes."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 400))
    mask = random.random(size) < random.choice([0.0, 0.01, 0.1, 0.5, 1.0])
    values = random.standard_normal(size) + mask * random.choice([-1.0, 0.0, 2.0])
    decimals = random.choice([-3, 0, 1, 8])  # -3: all zero
    return torch.from_numpy(np.round(values, decimals).astype(np.float32)), torch.from_numpy(mask)


@pytest.mark.parametrize("seed", range(80))
def test_random_images_against_scikit_learn(seed):
    values, mask = random_image(seed)
    result = ranking_values(RankingCurve.from_scores(values, mask))
    assert result == pytest.approx(oracle.ranking_values(mask.numpy(), values.numpy()), abs=1e-10, nan_ok=True)


@pytest.mark.parametrize("start", range(0, 100, 5))
def test_pooled_is_concatenated(start):
    images = [random_image(seed) for seed in range(start, start + 5)]
    pooled = RankingCurve.pooled([SortedVoxels.from_scores(*image) for image in images])
    joined = RankingCurve.from_scores(*(torch.cat(parts) for parts in zip(*images, strict=True)))
    assert (pooled.negatives, pooled.lowest) == (joined.negatives, joined.lowest)
    for name in ("thresholds", "true_positives", "false_positives", "false_positives_above"):
        torch.testing.assert_close(getattr(pooled, name), getattr(joined, name), rtol=0, atol=0)


@pytest.mark.parametrize("images", [3, 40])
def test_counts_against_other_lesions_add_up(images):
    parts = [SortedVoxels.from_scores(*random_image(seed)) for seed in range(images)]
    lesion = torch.cat([part.lesion for part in parts])
    first, second = RankingCurve.of_lesions(lesion, parts[::2]), RankingCurve.of_lesions(lesion, parts[1::2])
    whole = RankingCurve.pooled(parts)
    assert torch.equal(first.false_positives + second.false_positives, whole.false_positives)
    assert torch.equal(first.false_positives_above + second.false_positives_above, whole.false_positives_above)
    assert first.negatives + second.negatives == whole.negatives


def test_perfect_ranking_is_one():
    assert auprc(MASK.float(), MASK) == auroc(MASK.float(), MASK) == auroc10(MASK.float(), MASK) == 1.0


def test_useless_score_reaches_half_of_fpr_max():
    assert auroc10(torch.zeros(8), MASK) == pytest.approx(0.05)
    assert auprc(torch.zeros(8), MASK) == pytest.approx(3 / 8)


@pytest.mark.parametrize(("mask", "area"), [(torch.zeros(8), math.nan), (torch.ones(8), 1.0)], ids=["none", "all"])
def test_one_class_only(mask, area):
    values = torch.arange(8.0)
    assert auprc(values, mask) == pytest.approx(area, nan_ok=True)
    assert math.isnan(auroc(values, mask)) and math.isnan(auroc10(values, mask))


def test_lowest_voxels_need_no_sorting():
    values, mask = scores("ties")
    whole = torch.cat([values, torch.full((300,), -1e9)]), torch.cat([mask, torch.arange(300) < 20])
    curve = RankingCurve.from_scores(values, mask).with_lowest(20, 280)
    assert curve.average_precision() == pytest.approx(auprc(*whole), abs=1e-15)
    assert curve.roc_area() == pytest.approx(auroc(*whole), abs=1e-15)
    assert curve.roc_area(0.1) == pytest.approx(auroc10(*whole), abs=1e-15)
    same = RankingCurve.from_scores(values, mask)
    assert same.with_lowest(0, 0) is same


def test_best_dice_by_trying_every_threshold():
    values, mask = scores("ties")
    curve = RankingCurve.from_scores(values, mask)
    tried = [2 * int((mask & (values >= t)).sum()) / int((values >= t).sum() + mask.sum()) for t in values.unique()]
    assert curve.best_dice() == pytest.approx(max(tried), abs=1e-15)
    assert math.isnan(RankingCurve.from_scores(values, torch.zeros_like(mask)).best_dice())


def test_both_zeros_tie():
    curve = RankingCurve.from_scores(torch.tensor([-0.0, 0.0, -0.0, 1.0, 0.0]), torch.tensor([1, 1, 0, 0, 0]))
    assert curve.true_positives.tolist() == [2]
    assert (curve.false_positives.tolist(), curve.false_positives_above.tolist()) == ([3], [1])


@pytest.mark.parametrize("kind", ["random", "ties", "constant", "reversed", "float64"])
def test_operating_point_is_the_peak_of_scikit_learns_curve(kind):
    values, mask = scores(kind)
    expected = oracle.operating_point(mask.numpy(), values.numpy())
    assert RankingCurve.from_scores(values, mask).operating_point() == pytest.approx(expected, abs=1e-12)


def test_operating_point_is_the_highest_of_equal_optima():
    curve = RankingCurve.from_scores(torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0]), torch.tensor([1, 0, 0, 1, 0]))
    assert curve.operating_point() == (4.0, pytest.approx(2 / 3))  # 2/(1+2); at 1 it is 4/(4+2) as well
    assert curve.operating_point(missed=1) == (1.0, pytest.approx(4 / 7))


def test_voxels_that_tie_below_all_lesions_share_one_step():
    curve = RankingCurve.from_scores(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1, 0, 1])).with_lowest(2, 5, -9.0)
    assert curve.thresholds.tolist() == [3.0, 1.0, -9.0]
    assert curve.true_positives.tolist() == [1, 2, 4]
    assert curve.false_positives.tolist() == [0, 1, 6]
    assert curve.false_positives_above.tolist() == [0, 1, 1]
    assert (curve.negatives, curve.lowest) == (6, -9.0)
    healthy = RankingCurve.from_scores(torch.tensor([3.0, 2.0]), torch.zeros(2)).with_lowest(0, 5, -9.0)
    assert (len(healthy.thresholds), healthy.negatives) == (0, 7)


def test_wrong_arguments():
    curve = RankingCurve.from_scores(torch.arange(8.0), MASK)
    with pytest.raises(ValueError, match=r"\(0, 1\], got 1.5"):
        curve.roc_area(1.5)
    with pytest.raises(ValueError, match="below every score of the curve, 0, got 3"):
        curve.with_lowest(1, 1, score=3.0)
