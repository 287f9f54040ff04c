from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from bundle.conventions import join_prediction
from bundle.handlers import LossPartsHandler
from bundle.losses import AttributionConstraintLoss


def test_parts_are_averaged_over_the_batches_that_have_them():
    loss = AttributionConstraintLoss(1.0)

    def step(engine: Engine, batch: tuple[float, list[int]]) -> None:
        value, labels = batch
        loss(join_prediction(torch.full((2, 1, 2, 2), value), torch.zeros(2, 1)), torch.tensor(labels))

    trainer = Engine(step)
    LossPartsHandler(loss).attach(trainer)
    trainer.run([(-1.0, [0, 1]), (3.0, [0, 0]), (7.0, [1, 1])], max_epochs=2)
    metrics = trainer.state.metrics
    assert metrics["healthy_attribution_mean"] == pytest.approx((-1.0 + 3.0) / 2)  # the last batch has no healthy image
    assert metrics["healthy_negative_fraction"] == pytest.approx(0.5)
    assert metrics["classification_loss"] == pytest.approx(math.log(2), rel=1e-6)
