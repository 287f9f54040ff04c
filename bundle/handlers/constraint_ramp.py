"""Let the constraint grow while the classifier learns."""

from __future__ import annotations

from collections.abc import Mapping

from ignite.engine import Engine, Events

from bundle.losses import AttributionConstraintLoss


class ConstraintRampHandler:
    """Raise the weight of the attribution constraint linearly from 0 to its full value.

    A constraint that is strong from the first step is easily satisfied by a network that sees no lesion yet, and then
    slows the classifier down. The weight is a function of the iteration alone, so a resumed run goes on with it and
    `state_dict` is empty.

    Args:
        loss: the loss the trainer calls; its ``alpha`` at construction is the full weight.
        share: share of all iterations over which the weight grows; 0 uses the full weight throughout.

    Raises:
        ValueError: When ``share`` is not in [0, 1].
    """

    def __init__(self, loss: AttributionConstraintLoss, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share must be between 0 and 1, got {share}.")
        self.loss = loss
        self.alpha = loss.alpha
        self.share = share

    def attach(self, engine: Engine) -> None:
        """Register on the trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the weight for the iteration that starts."""
        state = engine.state
        ramp = self.share * (state.max_epochs or 0) * (state.epoch_length or 0)
        self.loss.alpha = self.alpha * min(1.0, state.iteration / ramp) if ramp else self.alpha

    def state_dict(self) -> dict[str, float]:
        """Return nothing: the trainer's iteration says it all."""
        return {}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take nothing up."""
