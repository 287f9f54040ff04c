from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.networks import PatchGANClassifier
from bundle.optimizers import peak_rates, relative_rates


def make_network() -> PatchGANClassifier:
    torch.manual_seed(0)
    return PatchGANClassifier(2, 1, (8, 16), (2, 2, 1), norm="none", initialisation="kaiming", convex=True)


def test_a_first_step_of_adam_is_the_rate_times_the_size_of_the_weights():
    network = make_network()
    first = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.Adam(relative_rates(network, 0.04))
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)  # whatever its size, the first step of Adam is the rate
    optimizer.step()
    for name, parameter in network.named_parameters():
        size = first[name].square().mean().sqrt() if parameter.dim() > 1 else torch.tensor(1 / 15)
        step = torch.full_like(parameter, -0.04 * float(size))
        torch.testing.assert_close(parameter - first[name], step, rtol=1e-3, atol=1e-6)


def test_every_parameter_is_in_one_group():
    network = make_network()
    groups = relative_rates(network, 0.1)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in network.parameters())


def test_a_cycle_reaches_the_rates():
    optimizer = torch.optim.Adam(relative_rates(make_network(), 0.04))
    peaks = peak_rates(optimizer)
    assert len(set(peaks)) == len(peaks) > 2
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=10, pct_start=0.3)
    assert peak_rates(optimizer)[0] < peaks[0]
    reached = [peak_rates(optimizer)]
    for _ in range(9):
        optimizer.step()
        scheduler.step()
        reached.append(peak_rates(optimizer))
    assert [max(rates) for rates in zip(*reached, strict=True)] == pytest.approx(peaks)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_rate_must_be_positive(rate):
    with pytest.raises(ValueError, match=f"positive, got {rate}"):
        relative_rates(make_network(), rate)


def test_weights_of_zero_are_named():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    nn.init.zeros_(network[1].weight)
    with pytest.raises(ValueError, match=r"All weights of 1\.weight are zero"):
        relative_rates(network, 0.1)
