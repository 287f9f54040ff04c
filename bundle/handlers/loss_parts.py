"""Bring the parts of the training loss to the loggers."""

from __future__ import annotations

from ignite.engine import Engine, Events

from bundle.losses import AttributionConstraintLoss


class LossPartsHandler:
    """Average the loss's parts over each epoch and publish them among the engine's metrics.

    TensorBoard and console handlers that are attached after this one log them without further settings. Parts that
    have no value in a batch (no healthy image) do not count in the average.

    Args:
        loss: the loss the trainer calls.
    """

    def __init__(self, loss: AttributionConstraintLoss) -> None:
        self.loss = loss
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def attach(self, engine: Engine) -> None:
        """Register on ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._publish)

    def _start(self, engine: Engine) -> None:
        self._sums, self._counts = {}, {}

    def _add(self, engine: Engine) -> None:
        for name, value in self.loss.parts.items():
            number = float(value)
            if number == number:  # not NaN
                self._sums[name] = self._sums.get(name, 0.0) + number
                self._counts[name] = self._counts.get(name, 0) + 1

    def _publish(self, engine: Engine) -> None:
        for name, total in self._sums.items():
            engine.state.metrics[name] = total / self._counts[name]
