"""Inferer that runs a network in mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


class MixedPrecisionInferer(SimpleInferer):
    """Run a network under autocast, on whichever device its input is; the loss stays in float32.

    MONAI's own option ``amp`` acts on CUDA alone, and its loss scaling is for float16, which is refused here: an
    attribution of 1e-8 is 0 in it, and an attribution loss of weight 1e8 infinite.

    Args:
        precision: ``"float32"``, or ``"bfloat16"`` for the operations that autocast lists.

    Raises:
        ValueError: When the precision is another one.
    """

    def __init__(self, precision: str = "float32") -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
        self.dtype = PRECISIONS[precision]

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Return what the network makes of the inputs."""
        with torch.autocast(inputs.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            return super().__call__(inputs, network, *args, **kwargs)
