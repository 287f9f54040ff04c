from __future__ import annotations

import pytest
import torch

from bundle.handlers import misfit, not_finite


def network(width: int = 3) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.BatchNorm1d(width))


def test_own_state_fits():
    assert misfit(network(), network().state_dict()) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda state: state.pop("1.bias"), "1 tensors are missing, such as 1.bias", id="missing"),
        pytest.param(lambda state: state.update(extra=torch.ones(1)), "1 are unknown, such as extra", id="unknown"),
        pytest.param(
            lambda state: state.update(network(4).state_dict()),
            "6 have another shape, such as 0.weight with (4, 2) for the network's (3, 2)",
            id="other_widths",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, expected):
    state = network().state_dict()
    change(state)
    assert misfit(network(), state) == expected


def test_training_state_in_place_of_weights():
    assert misfit(torch.nn.Linear(1, 1), {"settings": {}, "states": {}}) == (
        "2 tensors are missing, such as weight, 2 are unknown, such as settings"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_finite(value):
    state = network().state_dict()
    state["1.running_var"][1] = value
    assert not_finite(state) == ["1.running_var"]
    assert not_finite(network().state_dict()) == []
