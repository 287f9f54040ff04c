from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from bundle.metrics import RankingCurve, auprc, auroc, auroc10

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


def sklearn_auroc10(mask: np.ndarray, values: np.ndarray) -> float:
    """Cut scikit-learn's ROC curve at 0.1 by hand."""
    fpr, tpr, _ = roc_curve(mask, values, drop_intermediate=False)
    grid = np.append(fpr[fpr < 0.1], 0.1)
    height = np.append(tpr[fpr < 0.1], np.interp(0.1, fpr, tpr))
    return float(auc(grid, height) / 0.1)


@pytest.mark.parametrize("kind", ["random", "ties", "constant", "reversed", "float64"])
def test_agrees_with_scikit_learn(kind):
    values, mask = scores(kind)
    expected = mask.numpy(), values.numpy()
    assert auprc(values, mask) == pytest.approx(average_precision_score(*expected), abs=1e-12)
    assert auroc(values, mask) == pytest.approx(roc_auc_score(*expected), abs=1e-12)
    assert auroc10(values, mask) == pytest.approx(sklearn_auroc10(*expected), abs=1e-12)


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


def test_wrong_arguments():
    curve = RankingCurve.from_scores(torch.arange(8.0), MASK)
    with pytest.raises(ValueError, match=r"\(0, 1\], got 1.5"):
        curve.roc_area(1.5)
    with pytest.raises(ValueError, match="below every score of the curve, 0, got 3"):
        curve.with_lowest(1, 1, score=3.0)
