"""Weigh the constraint by what the classifier has learned."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ignite.engine import Engine, Events

from bundle.losses import AttributionConstraintLoss

_CHANCE = math.log(2)  # classification loss of a classifier that knows nothing
_START = 0.9 * _CHANCE  # the constraint begins where this is reached
_WORST = 1.0  # a batch with one wrong and certain decision counts for no more


class AdaptiveWeightHandler:
    """Scale the weight of the attribution constraint by the part of the classification loss that is learned.

    A constraint on healthy images is easily satisfied by a network that sees no lesion, and a fixed weight that is too
    strong for a data set keeps it there. The weight is ``alpha * max(0, 1 - L_C / (0.9 log 2))``, L_C being a running
    mean of the classification loss: zero until a tenth of the loss of a guess is learned, the full ``alpha`` when the
    decision is certain, and falling again where the constraint costs the decision. Without that tenth, a constraint in
    units of the map's own size is strong while the map is small, and ends the learning all the same. The running mean
    is part of `state_dict`, so a resumed run goes on with it.

    Args:
        loss: the loss the trainer calls; its ``alpha`` at construction is the full weight.
        adaptive: False keeps the full weight throughout, as the paper does.
        memory: share of the running mean that stays in each iteration; 0.97 remembers some 30 batches.

    Raises:
        ValueError: When ``memory`` is not in [0, 1).
    """

    def __init__(self, loss: AttributionConstraintLoss, adaptive: bool = True, memory: float = 0.97) -> None:
        if not 0 <= memory < 1:
            raise ValueError(f"memory must be at least 0 and below 1, got {memory}.")
        self.loss = loss
        self.alpha = loss.alpha
        self.adaptive = adaptive
        self.memory = memory
        self._classification_loss = _CHANCE
        self._set_weight()

    def attach(self, engine: Engine) -> None:
        """Register on the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the weight for the next iteration."""
        latest = min(float(self.loss.parts["classification_loss"]), _WORST)
        if math.isfinite(latest):
            self._classification_loss = self.memory * self._classification_loss + (1 - self.memory) * latest
        self._set_weight()

    def state_dict(self) -> dict[str, float]:
        """Return the running mean."""
        return {"classification_loss": self._classification_loss}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take the running mean up again."""
        self._classification_loss = state["classification_loss"]
        self._set_weight()

    def _set_weight(self) -> None:
        learned = max(0.0, 1 - self._classification_loss / _START)
        self.loss.alpha = self.alpha * learned if self.adaptive else self.alpha
