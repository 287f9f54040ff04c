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


def global_mean(values: torch.Tensor, counted: torch.Tensor | None = None, *, if_none: float = 0.0) -> torch.Tensor:
    """Return the mean of all values of all processes, or of those that count.

    Values are left out by a mask and not picked, so that shapes do not depend on data: a GPU is not waited for, and a
    compiled graph does not break.

    Args:
        values: this process's values. Those that do not count may be anything, but where they come from a formula, its
            derivative must be finite: the gradient is 0 times that.
        counted: which values count; None for all.
        if_none: mean where no process has a value that counts.

    Shape:
        - values: any shape, also without an element.
        - counted: bool, of a shape that broadcasts to that of ``values``.
        - output: scalar, in the graph of ``values``.
    """
    if counted is None:
        total, count = values.sum(), torch.full((), values.numel(), device=values.device)
    else:
        total = values.sum_to_size(counted.shape).where(counted, 0.0).sum()  # of whole images first: less to leave out
        count = counted.sum() * (values.numel() // max(1, counted.numel()))
    if idist.get_world_size() > 1:
        both = _sum_over_processes(torch.stack([total.double(), count.double()]))
        total, count = both[0].to(values.dtype), both[1].detach()
    return torch.where(count > 0, total / count.clamp_min(1).to(values.dtype), total + if_none)
