"""Learning rates of layers whose weights have one sign."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def parameter_groups(network: nn.Module, learning_rate: float, relative_rate: float) -> list[dict[str, Any]]:
    """Group parameters for an optimiser whose steps have the size of its learning rate, such as Adam.

    Weights of one sign, those of a convex network (`bundle.networks.convexity`), start at one over the number of inputs
    instead of one over its root. A learning rate for weights of both signs would set them all to zero in a few steps.

    Args:
        network: network with its first weights.
        learning_rate: of all other parameters.
        relative_rate: learning rate of a tensor of weights of one sign, in units of their first root mean square.

    Returns:
        One group for each tensor of weights of one sign and one for all other parameters, each with its ``lr``.

    Raises:
        ValueError: When a rate is not positive.
    """
    if not (learning_rate > 0 and relative_rate > 0):
        raise ValueError(f"learning rates must be positive, got {learning_rate} and {relative_rate}.")
    others, groups = [], []
    for parameter in network.parameters():
        if _is_of_one_sign(parameter.detach()):
            size = float(parameter.detach().square().mean().sqrt())
            groups.append({"params": [parameter], "lr": relative_rate * size})
        else:
            others.append(parameter)
    return [{"params": others, "lr": learning_rate}, *groups]


def peak_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """Return the learning rate of each parameter group, what a schedule such as ``OneCycleLR`` takes as its peaks."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def _is_of_one_sign(parameter: torch.Tensor) -> bool:
    """Tell whether a tensor of weights, not a vector such as a bias, has positive numbers only."""
    return parameter.dim() > 1 and bool((parameter > 0).all())
