from __future__ import annotations

import pytest
import torch

from bundle.data.sampling import BalancedBatchSampler

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
