from __future__ import annotations

import pytest
import torch
from ignite import distributed as idist

from bundle.data.sampling import BalancedBatchSampler, check_shares
from tests.two_processes import call_in_two_processes

DATA = [{"label": 0}] * 7 + [{"label": 1}] * 3


@pytest.mark.parametrize(("batch_size", "healthy"), [(2, 1), (4, 2), (5, 3)])
def test_every_batch_holds_both_classes(batch_size, healthy):
    batches = list(BalancedBatchSampler(DATA, batch_size))
    assert [sum(i < 7 for i in batch) for batch in batches] == [healthy] * len(batches)
    assert all(len(batch) == batch_size for batch in batches)


def test_epoch_visits_every_image():
    sampler = BalancedBatchSampler(DATA, 4)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 4
    assert {i for batch in batches for i in batch} == set(range(10))


def test_smaller_class_is_repeated_evenly():
    drawn = [i for batch in BalancedBatchSampler(DATA, 2) for i in batch if i >= 7]
    assert sorted(drawn.count(i) for i in (7, 8, 9)) == [2, 2, 3]


def test_order_follows_the_global_seed_and_changes_between_epochs():
    sampler = BalancedBatchSampler(DATA, 4)
    torch.manual_seed(0)
    first, second = list(sampler), list(sampler)
    torch.manual_seed(0)
    assert list(sampler) == first
    assert first != second


@pytest.mark.parametrize(("label", "missing"), [(0, "pathological"), (1, "healthy")])
def test_one_class_only_is_refused(label, missing):
    with pytest.raises(ValueError, match=f"no {missing} image among 4"):
        BalancedBatchSampler([{"label": label}] * 4, 2)


def test_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="got 1"):
        BalancedBatchSampler(DATA, 1)


def draw(rank: int) -> list[list[list[int]]]:
    """Draw two epochs with a random state of its own, as augmentation has left it."""
    sampler = BalancedBatchSampler(DATA, 5)
    torch.manual_seed(rank)
    return [list(sampler) for _ in range(2)]


def test_two_processes_share_the_batches_of_one(tmp_path):
    shares = call_in_two_processes(draw, tmp_path)
    for whole, first, second in zip(draw(0), *shares, strict=True):
        assert first == [batch[::2] for batch in whole] and second == [batch[1::2] for batch in whole]
        assert {(sum(i < 7 for i in a), sum(i < 7 for i in b)) for a, b in zip(first, second, strict=True)} == {(2, 1)}


def test_fewer_images_than_processes_are_refused(monkeypatch):
    monkeypatch.setattr(idist, "get_world_size", lambda: 4)
    check_shares({"batch_size": 4, "a section that is not used": 0})
    with pytest.raises(ValueError, match="images must be at least 4, one image for each of the 4 processes, got 3"):
        check_shares({"batch_size": 4, "images": 3})
    with pytest.raises(ValueError, match=r"batch_size must be at least 4, .* got 2"):
        BalancedBatchSampler(DATA, 2)
