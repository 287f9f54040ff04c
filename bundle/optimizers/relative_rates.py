"""Learning rates in proportion to the weights they move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_BIAS_SCALE = 1.0 / 15.0  # a bias starts at zero; it moves like weights of this size


def relative_rates(network: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Make parameter groups for an optimiser whose steps have the size of its learning rate, such as Adam.

    The layers of a network with weights of one sign start with weights of very different sizes: one over the number of
    inputs instead of one over its root. One learning rate for all would then be too small for one layer or reverse
    another in a few steps.

    Args:
        network: network with its first weights.
        rate: learning rate of a weight tensor, in units of the root mean square of its first weights.

    Returns:
        One group for each weight tensor and one for all biases and other vectors, each with its ``lr``.

    Raises:
        ValueError: When ``rate`` is not positive, or all weights of a tensor are zero.
    """
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}.")
    vectors = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    return [{"params": vectors, "lr": rate * _BIAS_SCALE}, *_weight_groups(network, rate)]


def _weight_groups(network: nn.Module, rate: float) -> Iterator[dict[str, Any]]:
    for name, parameter in network.named_parameters():
        if parameter.dim() >= 2:
            size = float(parameter.detach().square().mean().sqrt())
            if size == 0:
                raise ValueError(f"All weights of {name} are zero, so a rate relative to them would never move them.")
            yield {"params": [parameter], "lr": rate * size}


def peak_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """Return the learning rate of each parameter group, what a schedule such as ``OneCycleLR`` takes as its peaks."""
    return [float(group["lr"]) for group in optimizer.param_groups]
