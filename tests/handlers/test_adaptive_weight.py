from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from bundle.handlers import AdaptiveWeightHandler
from bundle.losses import AttributionConstraintLoss


def weights(losses, state=None, **options):
    """Return the weight in use in every iteration, and the handler's state after the last."""
    loss = AttributionConstraintLoss(8.0)
    seen = []

    def step(_, value):
        seen.append(loss.alpha)
        loss.parts = {"classification_loss": torch.tensor(value)}

    trainer = Engine(step)
    handler = AdaptiveWeightHandler(loss, **options)
    if state is not None:
        handler.load_state_dict(state)
    handler.attach(trainer)
    trainer.run(losses)
    return seen, handler.state_dict()


def test_weight_is_the_learned_share_of_the_loss():
    """Without memory: nothing from nine tenths of log 2 upwards, half at half of that, all at a loss of 0."""
    start = 0.9 * math.log(2)
    seen, _ = weights([start / 2, 0.0, 5.0, start, 0.0], memory=0.0)
    assert seen == pytest.approx([0.0, 4.0, 8.0, 0.0, 0.0], abs=1e-6)


def test_running_mean_in_closed_form():
    seen, _ = weights([0.0] * 5, memory=0.9)
    assert seen == pytest.approx([0.0] + [8 * (1 - 0.9 ** (step - 1)) for step in range(1, 5)])


def test_one_bad_batch_counts_for_no_more_than_a_loss_of_1_and_nan_not_at_all():
    _, state = weights([100.0, float("nan")], memory=0.5)
    assert state["classification_loss"] == pytest.approx((math.log(2) + 1) / 2)


def test_fixed_weight():
    assert weights([0.1, 0.2, 9.0], adaptive=False)[0] == [8.0] * 3


def test_resumed_run_goes_on_with_the_weight():
    losses = [0.6, 0.5, 0.4, 0.3]
    _, state = weights(losses[:2])
    assert weights(losses[2:], state)[0] == weights(losses)[0][2:]


@pytest.mark.parametrize("memory", [-0.1, 1.0])
def test_memory_outside_0_to_1_is_refused(memory):
    with pytest.raises(ValueError, match=str(memory)):
        AdaptiveWeightHandler(AttributionConstraintLoss(1.0), memory=memory)
