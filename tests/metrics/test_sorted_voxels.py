from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from bundle.metrics import SortedVoxels

SCORES = torch.tensor([[0.5, -1.0, 2.0], [0.5, 0.25, -1.0]])
MASK = torch.tensor([[1, 0, 0], [0, 7, 0]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_lesion_and_healthy_in_rising_order(dtype):
    voxels = SortedVoxels.from_scores(MetaTensor(SCORES.to(dtype)), MASK)
    assert voxels.lesion.tolist() == [0.25, 0.5]
    assert voxels.healthy.tolist() == [-1.0, -1.0, 0.5, 2.0]
    assert voxels.lowest == -1.0
    assert voxels.lesion.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert type(voxels.lesion) is torch.Tensor


def test_whole_numbers_stay_exact():
    scores = torch.tensor([2**24, 2**24 + 1, 0])
    assert SortedVoxels.from_scores(scores, torch.tensor([0, 1, 0])).lesion.tolist() == [2**24 + 1]


def test_only_the_brain_is_kept():
    scores = SCORES.clone()
    scores[0, 1] = float("nan")
    voxels = SortedVoxels.from_scores(scores, MASK, brain=torch.tensor([[1, 0, 1], [1, 0, 1]]))
    assert voxels.lesion.tolist() == [0.5] and voxels.healthy.tolist() == [-1.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(3.0, (0, 0)), (2.0, (0, 1)), (0.5, (1, 2)), (0.3, (1, 2)), (-1.0, (2, 4))]
)
def test_called_at_or_above_a_threshold(threshold, expected):
    assert SortedVoxels.from_scores(SCORES, MASK).called(threshold) == expected


def test_one_class_only():
    voxels = SortedVoxels.from_scores(SCORES, torch.zeros(6))
    assert len(voxels.lesion) == 0 and voxels.called(0.5) == (0, 3) and voxels.lowest == -1.0


@pytest.mark.parametrize(
    ("scores", "mask", "brain", "match"),
    [
        pytest.param(torch.zeros(3), torch.zeros(2), None, r"same number of voxels, got \[3, 2\]", id="sizes"),
        pytest.param(torch.zeros(3), torch.zeros(3), torch.zeros(4), r"got \[3, 3, 4\]", id="brain"),
        pytest.param(torch.zeros(0), torch.zeros(0), None, "got 0 of 0", id="empty"),
        pytest.param(torch.zeros(3), torch.ones(3), torch.zeros(3), "got 0 of 3", id="no_brain"),
        pytest.param(torch.tensor([1, torch.nan, 2]), torch.zeros(3), None, "got 1 NaN", id="nan"),
        pytest.param(torch.tensor([torch.inf, torch.nan]), torch.ones(2), None, "got 2 NaN", id="inf"),
        pytest.param(torch.tensor([-torch.inf, 0.0]), torch.tensor([1, 0]), None, "got 1 NaN", id="minus_inf"),
    ],
)
def test_wrong_input(scores, mask, brain, match):
    with pytest.raises(ValueError, match=match):
        SortedVoxels.from_scores(scores, mask, brain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_order():
    voxels = SortedVoxels.from_scores(SCORES.cuda(), MASK)
    assert voxels.lesion.is_cuda and voxels.called(0.5) == (1, 2)
    assert voxels.to("cpu").healthy.tolist() == [-1.0, -1.0, 0.5, 2.0]
