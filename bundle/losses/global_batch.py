"""Sums and means over the images of all processes, so that the parts of a batch have the loss of the whole batch.

Several processes hold a part of a batch each, and `torch.nn.parallel.DistributedDataParallel` averages the gradients
that they compute. Means that a process takes alone would give an image more weight where fewer such images came along:
the constraint averages over healthy images, and a process may have one of them, or none. Here the sums and the counts
are those of all processes. The loss then has the same value in every process, and its gradient is that of one process
which holds the whole batch.
"""

from __future__ import annotations

from typing import Any, cast

import ignite.distributed as idist
import torch


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes, each of which goes on to compute the same loss from it.

    With W processes and s = s_1 + ... + s_W, process i has the gradient dL/ds ds_i/dθ, and their *sum* is dL/dθ. As
    DistributedDataParallel takes the mean, the derivative is multiplied by W.
    """

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, idist.all_reduce(value.clone()))  # which would sum in place

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0] * idist.get_world_size()


def _sum_over_processes(value: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, _SumOverProcesses.apply(value))  # type: ignore[no-untyped-call]


def global_sum(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of all values of all processes.

    Shape:
        - values: any shape, also without an element.
        - output: scalar, in the graph of ``values``.
    """
    total = values.sum()
    return total if idist.get_world_size() == 1 else _sum_over_processes(total)


def global_mean(values: torch.Tensor, *, if_none: float = 0.0) -> torch.Tensor:
    """Return the mean of all values of all processes.

    Args:
        values: this process's values.
        if_none: mean where no process has a value.

    Shape:
        - values: any shape, also without an element.
        - output: scalar, in the graph of ``values``.
    """
    total, count = values.sum(), values.numel()
    if idist.get_world_size() > 1:
        both = _sum_over_processes(torch.stack([total.double(), torch.full_like(total, count, dtype=torch.float64)]))
        total, count = both[0].to(values.dtype), int(both[1])
    return total / count if count else total + if_none
