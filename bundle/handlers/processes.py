"""Work that several processes share, as torchrun starts them: one for each GPU, or any number on the CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TypeVar, cast

import ignite.distributed as idist
import torch
from torch.nn.modules.batchnorm import _BatchNorm

_TIMEOUT = timedelta(hours=2)  # one process may wait while another fills its cache or summarises an evaluation

T = TypeVar("T")


def join_processes(device: torch.device | str) -> None:
    """Let this process join those that were started with it; for use in configs, before anything else is made.

    The processes talk to each other by NCCL when they work on GPUs and by Gloo otherwise. Only the first one logs more
    than warnings. A process that was started alone is the first and only one.

    Args:
        device: device of this process; ``"cuda"`` is the GPU with the number of the process on its node.

    Raises:
        ValueError: When the node has no such GPU.
    """
    device = torch.device(device)
    place = int(os.environ.get("LOCAL_RANK", 0)) if device.index is None else device.index
    if device.type == "cuda":
        if place >= torch.cuda.device_count():
            raise ValueError(
                f"every process needs a GPU, got process {place} (from 0) for {torch.cuda.device_count()} GPUs. "
                "Start fewer processes on this node, or set device to cpu."
            )
        torch.cuda.set_device(place)
    # Not by ignite.distributed.initialize: inside a SLURM job it refuses the ranks that torchrun has given.
    backend = "nccl" if device.type == "cuda" else "gloo"
    if "RANK" in os.environ:
        torch.distributed.init_process_group(backend, timeout=_TIMEOUT)
    else:
        store = torch.distributed.HashStore()  # type: ignore[attr-defined]
        torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    idist.set_local_rank(place)
    if "SLURM_JOB_ID" in os.environ:
        os.environ["SLURM_LOCALID"] = str(place)  # Ignite takes it from there, and it is that of torchrun itself
    idist.sync()
    if not is_first_process():
        logging.disable(logging.INFO)


def is_first_process() -> bool:
    """Say whether this is the process that writes what all have done; a process alone is."""
    return idist.get_rank() == 0


def leave_to_first_process() -> None:
    """End every process but the first, which goes on alone, when all have come here; for use in configs.

    Raises:
        SystemExit: In the other processes, with status 0.
    """
    first = is_first_process()
    idist.barrier()
    idist.finalize()
    if not first:
        raise SystemExit(0)


def gather_by_turns(items: Sequence[T]) -> list[T]:
    """Gather what the processes have collected, in the order of the data that they share by turns.

    The items travel one at a time, so that no more than one of each process is held twice.

    Args:
        items: what this process has collected, in its order; none of it None.

    Returns:
        The items of all processes in the first one, nothing in the others.
    """
    processes = idist.get_world_size()
    if processes == 1:
        return list(items)
    gathered: list[T] = []
    for turn in range(cast(int, idist.all_reduce(len(items), op="MAX"))):
        own = items[turn] if turn < len(items) else None
        parts: list[T | None] = [None] * processes
        torch.distributed.gather_object(own, parts if is_first_process() else None)
        if is_first_process():
            gathered += [part for part in (own, *parts[1:]) if part is not None]
    return gathered


def check_distinct(subjects: Collection[str]) -> None:
    """Check that no two processes have worked on one subject, whose files the second would replace.

    Raises:
        ValueError: When two have.
    """
    seen: set[str] = set()
    for part in cast(list[list[str]], idist.all_gather(sorted(subjects))):
        for subject in part:
            if subject in seen:
                raise ValueError(f"every subject must come once, got {subject!r} twice. Rename one of its entries.")
            seen.add(subject)


def check_norms(network: torch.nn.Module) -> None:
    """Check that a network can be trained by several processes: it must treat each image alone.

    Batch normalisation couples the images of a batch. Each process would take the statistics of its own images, which
    is another training than that of one process, and PyTorch's synchronised one cannot be differentiated twice, which
    the constraint needs.

    Raises:
        ValueError: When there are several processes and the network has a batch normalisation.
    """
    coupled = [name for name, module in network.named_modules() if isinstance(module, _BatchNorm)]
    if coupled and idist.get_world_size() > 1:
        raise ValueError(
            f"batch normalisation cannot be trained by {idist.get_world_size()} processes, got {len(coupled)} layers, "
            f"such as {coupled[0]}: its statistics would be those of one process's images, and synchronised ones have "
            "no second derivative. Set norm to none, group or instance, or train with one process."
        )
