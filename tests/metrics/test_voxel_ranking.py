from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from ignite.exceptions import NotComputableError

from bundle.anomaly import OUTSIDE_BRAIN
from bundle.metrics import VoxelRanking, dice
from tests.oracles import ranking as oracle
from tests.two_processes import call_in_two_processes

SHAPE = (1, 6, 7, 5)
THRESHOLD = 0.5


def make_image(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a map with voxels outside the brain, some of them in the lesion; every other image has many ties."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(SHAPE, generator=generator) < 0.15
    score = torch.randn(SHAPE, generator=generator) + mask
    score = score.round() if seed % 2 else score
    return torch.where(torch.rand(SHAPE, generator=generator) < 0.3, OUTSIDE_BRAIN, score), mask.float()


IMAGES = [make_image(seed) for seed in range(7)]


def run(images, **arguments) -> dict[str, float]:
    metric = VoxelRanking(**arguments)
    for score, mask in images:
        metric.update(([score], [mask]))
    return metric.compute()


def expected(region: str) -> dict[str, float]:
    """Compute all values with scikit-learn."""
    pairs = [(score.numpy(), mask.numpy()) for score, mask in IMAGES]
    if region == "brain":
        pairs = [(score[score > OUTSIDE_BRAIN], mask[score > OUTSIDE_BRAIN]) for score, mask in pairs]
    each = [oracle.ranking_values(mask, score) for score, mask in pairs]
    pool = [np.concatenate([part.ravel() for part in parts]) for parts in zip(*pairs, strict=True)]
    for values, (score, mask) in zip(each, pairs, strict=True):
        values["dice"] = dice(torch.from_numpy(score >= THRESHOLD), torch.from_numpy(mask))
    result = {"images": len(each), **oracle.ranking_values(pool[1], pool[0])}
    result["dice"] = dice(torch.from_numpy(pool[0] >= THRESHOLD), torch.from_numpy(pool[1]))
    for name in each[0]:
        result[f"{name}_mean"] = np.mean([values[name] for values in each])
        result[f"{name}_sd"] = np.std([values[name] for values in each], ddof=1)
    return result


@pytest.mark.parametrize("region", ["image", "brain"])
def test_agrees_with_scikit_learn(region):
    assert run(IMAGES, region=region, threshold=THRESHOLD) == pytest.approx(expected(region), abs=1e-10)


def test_order_and_batches_make_no_difference():
    metric = VoxelRanking(threshold=THRESHOLD)
    metric.update((torch.stack([score for score, _ in IMAGES[::-1]]), torch.stack([mask for _, mask in IMAGES[::-1]])))
    assert metric.compute() == run(IMAGES, threshold=THRESHOLD)


def test_outside_lesions_count_in_the_image_only():
    score = torch.tensor([3.0, 1.0, OUTSIDE_BRAIN, OUTSIDE_BRAIN]).reshape(1, 2, 2)
    mask = torch.tensor([1, 0, 1, 0]).reshape(1, 2, 2)
    assert run([(score, mask)], region="brain", threshold=2.0)["dice"] == 1.0
    whole = run([(score, mask)], threshold=2.0)
    assert whole["dice"] == whole["best_dice"] == pytest.approx(2 / 3)
    assert whole["auprc"] == pytest.approx((1 + 2 / 4) / 2)


@pytest.mark.parametrize(("mask", "area"), [(0.0, math.nan), (1.0, 1.0)], ids=["no_lesion", "all_lesion"])
def test_one_class_only(mask, area):
    result = run([(torch.randn(SHAPE), torch.full(SHAPE, mask))], threshold=-9.0)
    assert result["auprc"] == pytest.approx(area, nan_ok=True)
    assert result["best_dice_mean"] == pytest.approx(area, nan_ok=True)
    assert math.isnan(result["auroc"]) and math.isnan(result["auroc10"])
    assert result["dice"] == mask  # everything is called


def test_nothing_called_where_nothing_is():
    assert math.isnan(run([(torch.zeros(SHAPE), torch.zeros(SHAPE))], threshold=1.0)["dice"])


def test_attached_to_an_engine_and_reset():
    engine = Engine(lambda _, batch: {"map": [batch[0]], "mask": [batch[1]]})
    VoxelRanking(output_transform=lambda output: (output["map"], output["mask"])).attach(engine, "voxels")
    for images in (IMAGES, IMAGES[:2]):
        state = engine.run(images)
        assert state.metrics["voxels"] == run(images) and state.metrics["images"] == len(images)


@pytest.mark.parametrize(
    ("score", "mask", "match"),
    [
        pytest.param(torch.zeros(1, 4, 4), torch.zeros(1, 4, 3), r"got \(1, 4, 4\) and \(1, 4, 3\)", id="grids"),
        pytest.param(torch.zeros(4).double(), torch.zeros(4), "got torch.float64", id="float64"),
        pytest.param(torch.full((4,), OUTSIDE_BRAIN), torch.zeros(4), "got 0 of 4", id="no_brain"),
        pytest.param(torch.tensor([0.0, torch.nan]), torch.zeros(2), "got 1 NaN", id="nan"),
    ],
)
def test_wrong_images(score, mask, match):
    with pytest.raises(ValueError, match=match):
        VoxelRanking().update(([score], [mask]))


def test_wrong_region_and_no_image():
    with pytest.raises(ValueError, match="got 'head'"):
        VoxelRanking(region="head")
    with pytest.raises(NotComputableError, match="at least one image, got none"):
        VoxelRanking().compute()


SHARES = [[[5, 0, 3], [1, 2, 4, 6]], [[], list(range(len(IMAGES)))]]
"""Images of either process: uneven, and one without any."""


def rank_shares(rank: int) -> list[dict[str, float]]:
    """Rank the images of one process under each sharing."""
    shares = [[IMAGES[index] for index in share[rank]] for share in SHARES]
    return [run(images, region=region, threshold=THRESHOLD) for images in shares for region in ("image", "brain")]


def test_two_processes_equal_one_exactly(tmp_path):
    whole = [run(IMAGES, region=region, threshold=THRESHOLD) for region in ("image", "brain")]
    assert call_in_two_processes(rank_shares, tmp_path) == [whole * len(SHARES)] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_cuda_gives_the_same_values(device):
    images = [(score.cuda(), mask) for score, mask in IMAGES]
    assert run(images, threshold=THRESHOLD, device=device) == pytest.approx(run(IMAGES, threshold=THRESHOLD), abs=1e-12)
