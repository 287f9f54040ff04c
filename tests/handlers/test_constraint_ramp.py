from __future__ import annotations

import pytest
from ignite.engine import Engine

from bundle.handlers import ConstraintRampHandler
from bundle.losses import AttributionConstraintLoss


def weights(share: float, start_epoch: int = 0) -> list[float]:
    """Return the weight of each of 2 x 4 iterations, or of those after ``start_epoch``."""
    loss = AttributionConstraintLoss(8.0)
    seen: list[float] = []
    trainer = Engine(lambda _, batch: seen.append(loss.alpha))
    ConstraintRampHandler(loss, share).attach(trainer)
    if start_epoch:
        trainer.load_state_dict({"epoch": start_epoch, "max_epochs": 2, "epoch_length": 4})
    trainer.run(range(4), max_epochs=2)
    return seen


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.0, [8.0] * 8, id="full_from_the_start"),
        pytest.param(0.5, [2.0, 4.0, 6.0, 8.0, 8.0, 8.0, 8.0, 8.0], id="over_half"),
        pytest.param(1.0, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], id="over_all"),
    ],
)
def test_weight_grows_linearly_and_stays(share, expected):
    assert weights(share) == expected


def test_resumed_run_goes_on_with_the_weight():
    assert weights(1.0, start_epoch=1) == weights(1.0)[4:]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match=str(share)):
        ConstraintRampHandler(AttributionConstraintLoss(1.0), share)
