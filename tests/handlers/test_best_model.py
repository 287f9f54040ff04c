from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine, Events

from bundle.handlers import BestModelHandler


def run_with(values: list[float], handler: BestModelHandler, network: torch.nn.Linear) -> None:
    """Validate once per value; the weight is the number of the validation."""
    for number, value in enumerate(values, start=1):
        torch.nn.init.constant_(network.weight, number)
        evaluator = Engine(lambda _, batch: None)

        @evaluator.on(Events.EPOCH_COMPLETED)
        def measure(engine: Engine, value: float = value) -> None:
            engine.state.metrics["score"] = value

        handler.attach(evaluator)
        evaluator.run([0])


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        pytest.param([0.5, 0.9, 0.7], 2, id="best"),
        pytest.param([0.5, 0.9, 0.9, 0.1], 3, id="latest_of_equals"),
        pytest.param([0.9, 0.5], 1, id="first"),
    ],
)
def test_weights_of_the_best_epoch_are_kept(tmp_path, values, kept):
    network = torch.nn.Linear(1, 1, bias=False)
    run_with(values, BestModelHandler(network, tmp_path / "model.pt", "score"), network)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert saved["weight"].item() == kept
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_state_survives_an_interruption(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    first = BestModelHandler(network, tmp_path / "model.pt", "score")
    run_with([0.9], first, network)
    second = BestModelHandler(network, tmp_path / "model.pt", "score")
    second.load_state_dict(first.state_dict())
    run_with([0.1, 0.2, 0.3], second, network)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 1
