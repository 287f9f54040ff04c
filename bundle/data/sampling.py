"""Batches that hold both classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import ignite.distributed as idist
import torch
from torch.utils.data import Sampler

from bundle.conventions import HEALTHY, LABEL, PATHOLOGICAL


def check_shares(images: Mapping[str, int]) -> None:
    """Check that every process gets at least one image.

    Args:
        images: what is shared among the processes -> its number of images; 0 where it is not used.

    Raises:
        ValueError: When there are fewer images than processes.
    """
    processes = idist.get_world_size()
    for name, count in images.items():
        if 0 < count < processes:
            raise ValueError(
                f"{name} must be at least {processes}, one image for each of the {processes} processes, got {count}. "
                "Start fewer processes."
            )


class BalancedBatchSampler(Sampler[list[int]]):
    """Draw batches with a fixed number of healthy and of pathological images.

    A batch without a healthy image has nothing to constrain, and one without a pathological image teaches no decision.
    An epoch goes once through the larger class, in a new random order; the smaller class is repeated, reshuffled after
    every pass. The order comes from PyTorch's global random state.

    Several processes share each batch by turns, so that the healthy images, which cost more, are spread. Together they
    hold the batches that one process draws with the random state of the first.

    Args:
        data: datalist entries with a ``label``.
        batch_size: images in a batch, those of all processes together, at least 2; half of them (rounded up) are
            healthy.

    Raises:
        ValueError: When ``batch_size`` is below 2 or below the number of processes, or a class is missing.
    """

    def __init__(self, data: Sequence[Mapping[str, Any]], batch_size: int) -> None:
        if batch_size < 2:
            raise ValueError(f"batch_size must be at least 2, one image of each class, got {batch_size}.")
        check_shares({"batch_size": batch_size})
        labels = torch.tensor([int(entry[LABEL]) for entry in data])
        self.members = [(labels == label).nonzero().flatten() for label in (HEALTHY, PATHOLOGICAL)]
        for members, name in zip(self.members, ("healthy", "pathological"), strict=True):
            if len(members) == 0:
                raise ValueError(
                    f"training needs both classes, found no {name} image among {len(data)}. "
                    "Add such images to the training section of the datalist."
                )
        self.shares = [(batch_size + 1) // 2, batch_size // 2]

    def __len__(self) -> int:
        return max(-(-len(m) // share) for m, share in zip(self.members, self.shares, strict=True))

    def __iter__(self) -> Iterator[list[int]]:
        orders = [self._order(m, len(self) * share) for m, share in zip(self.members, self.shares, strict=True)]
        rank, processes = idist.get_rank(), idist.get_world_size()
        for i in range(len(self)):
            batch = [index for o, n in zip(orders, self.shares, strict=True) for index in o[i * n : (i + 1) * n]]
            yield batch[rank::processes]

    @staticmethod
    def _order(members: torch.Tensor, length: int) -> list[int]:
        passes = -(-length // len(members))
        order = torch.cat([members[torch.randperm(len(members))] for _ in range(passes)])
        return cast(torch.Tensor, idist.broadcast(order))[:length].tolist()
