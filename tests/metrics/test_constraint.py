from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine
from ignite.exceptions import NotComputableError
from ignite.metrics import Accuracy

from bundle.metrics import HealthyNegativeFraction, decision_and_label


def item(label: int, logit: float, negative: int = 0, positive: int = 0, outside: int = 0) -> dict:
    """One decollated output whose brain has the given numbers of negative and positive attributions."""
    attribution = torch.tensor([-1.0] * negative + [1.0] * positive + [1.0] * outside)
    image = torch.tensor([2.0] * (negative + positive) + [0.0] * outside)
    return {"label": label, "logit": torch.tensor([logit]), "attribution": attribution[None], "image": image[None]}


def test_fraction_is_averaged_over_healthy_images_within_the_brain():
    metric = HealthyNegativeFraction()
    metric.update([item(0, -1.0, negative=3, positive=1, outside=5), item(1, 1.0, positive=4)])
    metric.update([item(0, -1.0, negative=1, positive=1)])
    assert metric.compute() == pytest.approx((0.75 + 0.5) / 2)


def test_zero_attribution_is_not_negative():
    metric = HealthyNegativeFraction()
    entry = item(0, -1.0, negative=2)
    entry["attribution"].zero_()
    metric.update([entry])
    assert metric.compute() == 0.0


def test_no_healthy_image_is_an_error():
    metric = HealthyNegativeFraction()
    metric.update([item(1, 1.0, positive=4)])
    with pytest.raises(NotComputableError, match="got none"):
        metric.compute()


def test_reset_forgets():
    metric = HealthyNegativeFraction()
    metric.update([item(0, 0.0, positive=4)])
    metric.reset()
    metric.update([item(0, 0.0, negative=4)])
    assert metric.compute() == 1.0


def test_accuracy_and_its_product_with_the_fraction():
    """The key metric of train.yaml: two of three decisions right, half of the healthy voxels negative."""
    accuracy = Accuracy(output_transform=decision_and_label)
    negative = HealthyNegativeFraction()
    engine = Engine(lambda _, batch: batch)
    (accuracy * negative).attach(engine, "product")
    batches = [[item(0, -1.0, negative=1, positive=1), item(1, 0.5, positive=2)], [item(1, -0.5, positive=1)]]
    engine.run(batches)
    assert engine.state.metrics["product"] == pytest.approx(2 / 3 * 0.5)
