"""Keep the weights of the best validation epoch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from bundle.handlers.processes import is_first_process
from bundle.handlers.saving import save_atomically

logger = logging.getLogger(__name__)


class BestModelHandler:
    """Save a network's weights whenever the validation metric is at least as good as ever before.

    Of equally good epochs the latest is kept. Unlike MONAI's CheckpointSaver it never removes the old file before the
    new one is complete, and its memory of the best value is part of `TrainingStateHandler`'s state. All processes
    compare, the first one saves.

    Args:
        network: network to save, as a plain state dict.
        path: file to write.
        metric: name of the evaluator's metric; higher is better. The evaluator's key metric when None.
    """

    def __init__(self, network: torch.nn.Module, path: str | Path, metric: str | None = None) -> None:
        self.network = network
        self.path = Path(path)
        self.metric = metric
        self.best = float("-inf")

    def attach(self, engine: Engine) -> None:
        """Register on the validation evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Compare the epoch that ended with the best one."""
        name = self.metric or engine.state.key_metric_name  # type: ignore[attr-defined]  # of MONAI's engines
        value = float(engine.state.metrics[name])
        if value >= self.best:
            self.best = value
            if is_first_process():
                save_atomically(self.network.state_dict(), self.path)
                logger.info("best %s so far, %.4f: saved %s", name, value, self.path)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a best value."""
        self.best = state_dict["best"]
