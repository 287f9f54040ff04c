"""Keep a rare steep batch from throwing the network off."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch.nn.utils import clip_grad_norm_


class GradientClippingHandler:
    """Shorten the gradient of a training step to a largest norm, between its computation and the optimiser's step.

    Args:
        parameters: parameters whose gradients are taken together.
        max_norm: largest Euclidean norm of the gradient.

    Raises:
        ValueError: When ``max_norm`` is not positive.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], max_norm: float) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {max_norm}. Leave the handler out for no clipping.")
        self.parameters = list(parameters)
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Register on a trainer of MONAI."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip the gradients that the backward pass has left; those of mixed precision are brought to scale first."""
        scaler = getattr(engine, "scaler_", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)  # type: ignore[attr-defined]
        clip_grad_norm_(self.parameters, self.max_norm)
