from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import f1_score

from bundle.metrics import dice, volume_ml


def test_dice_is_scikit_learns_f1():
    generator = torch.Generator().manual_seed(3)
    prediction, mask = torch.rand(2, 6, 7, 8, generator=generator) < 0.4
    assert dice(prediction, mask) == pytest.approx(f1_score(mask.flatten(), prediction.flatten()), abs=1e-15)


@pytest.mark.parametrize(
    ("prediction", "mask", "expected"),
    [
        pytest.param([1, 1, 0, 0], [0, 1, 1, 0], 0.5, id="half"),
        pytest.param([1, 0, 0, 0], [0, 0, 0, 0], 0.0, id="false_alarm"),
        pytest.param([0, 0, 0, 0], [0, 0, 0, 0], math.nan, id="both_empty"),
        pytest.param([2, 4, 0, 0], [1, 1, 0, 0], 1.0, id="any_label_counts"),
    ],
)
def test_dice(prediction, mask, expected):
    assert dice(torch.tensor(prediction), torch.tensor(mask)) == pytest.approx(expected, nan_ok=True)


def test_dice_needs_one_shape():
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 2\)"):
        dice(torch.ones(2, 3), torch.ones(3, 2))


def test_volume_on_a_rotated_anisotropic_grid():
    turn = math.radians(30)
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    affine = torch.eye(4)
    affine[:3, :3] = rotation @ torch.diag(torch.tensor([0.9, -0.9, 6.4]))
    assert volume_ml(torch.ones(1, 10, 5, 2), affine) == pytest.approx(100 * 0.9 * 0.9 * 6.4 / 1000, rel=1e-6)
    assert volume_ml(torch.ones(1, 10, 5), torch.diag(torch.tensor([2.0, 2.0, 1.0]))) == pytest.approx(0.2)


def test_volume_needs_a_regular_affine():
    with pytest.raises(ValueError, match="got 0 mm3"):
        volume_ml(torch.ones(1, 2, 2, 2), torch.zeros(4, 4))
