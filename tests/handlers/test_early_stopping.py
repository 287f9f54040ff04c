from __future__ import annotations

import pytest
from ignite.engine import Engine

from bundle.handlers import ResumableEarlyStopHandler

# MONAI 1.6 calls ignite's EarlyStopping by arguments that ignite 0.5.5 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:'(min|cumulative)_delta' is deprecated:DeprecationWarning")


def run_with(scores: list[float], handler: ResumableEarlyStopHandler) -> int:
    """Validate once per score until the trainer is told to stop, and return the number of validations."""
    trainer = Engine(lambda _, batch: None)
    handler.set_trainer(trainer)
    return validate(scores, handler, trainer)


def validate(scores: list[float], handler: ResumableEarlyStopHandler, trainer: Engine) -> int:
    evaluator = Engine(lambda _, batch: None)
    handler.attach(evaluator)
    for number, score in enumerate(scores, start=1):
        evaluator.state.score = score
        evaluator.run([0])
        if trainer.should_terminate:
            return number
    return len(scores)


def make_handler() -> ResumableEarlyStopHandler:
    return ResumableEarlyStopHandler(patience=3, score_function=lambda engine: engine.state.score)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_interruption_does_not_change_when_training_stops(cut):
    scores = [0.5, 0.9, 0.8, 0.7, 0.9, 0.6]
    assert run_with(scores, make_handler()) == 5  # three validations without a better score than the second
    before, after = make_handler(), make_handler()
    run_with(scores[:cut], before)
    trainer = Engine(lambda _, batch: None)
    after.set_trainer(trainer)
    after.load_state_dict(before.state_dict())
    assert cut + validate(scores[cut:], after, trainer) == 5


def test_state_before_the_trainer_is_known():
    with pytest.raises(ValueError, match=r"got none\. Call set_trainer first"):
        make_handler().state_dict()
