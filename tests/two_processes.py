"""Call a function in two processes that Gloo joins, as torchrun starts them on a machine without a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist


def call_in_two_processes(function: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """Return what ``function(rank, *arguments)`` returns in either process; it must be a function of a module."""
    # a server that has imported its module forks both: importing it twice would take most of the time
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload([function.__module__])
    torch.multiprocessing.start_processes(
        _call, (function, str(folder), *arguments), nprocs=2, start_method="forkserver"
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _call(rank: int, function: Callable[..., Any], folder: str, *arguments: Any) -> None:
    os.environ.update(GLOO_SOCKET_IFNAME="lo", LOCAL_RANK=str(rank))
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    idist.sync()
    torch.save(function(rank, *arguments), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
