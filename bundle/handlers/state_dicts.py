"""Say in words why a state dict cannot be used, before a network's ``load_state_dict`` stops with many lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def misfit(network: torch.nn.Module, state: Mapping[str, Any]) -> str:
    """Compare the names and shapes of a state dict with those of a network.

    Args:
        network: network that is to load it.
        state: state dict.

    Returns:
        What does not fit, naming the first tensor, or an empty text.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    other = [name for name in expected if name in found and found[name] != expected[name]]
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensors are missing, such as {missing[0]}")
    if unknown:
        parts.append(f"{len(unknown)} are unknown, such as {unknown[0]}")
    if other:
        name = other[0]
        parts.append(
            f"{len(other)} have another shape, such as {name} with {found[name]} for the network's {expected[name]}"
        )
    return ", ".join(parts)


def not_finite(state: Mapping[str, Any]) -> list[str]:
    """Return the names of the tensors of a state dict that hold NaN or infinity."""
    return [
        name
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and not bool(torch.isfinite(tensor).all())
    ]
