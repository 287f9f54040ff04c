from __future__ import annotations

import pytest
import torch

from bundle.networks import PatchGANClassifier
from bundle.optimizers import parameter_groups, peak_rates


def make_network(convex: bool = True) -> PatchGANClassifier:
    torch.manual_seed(0)
    return PatchGANClassifier(2, 1, (8, 16), (2, 2, 1), norm="none", initialisation="kaiming", convex=convex)


def test_first_steps_of_adam_have_the_size_of_the_rates():
    network = make_network()
    first = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.Adam(parameter_groups(network, 2e-3, 0.04))
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)  # whatever its size, the first step of Adam is the rate
    optimizer.step()
    of_one_sign = {"blocks.1.conv.weight", "blocks.2.conv.weight"}
    for name, parameter in network.named_parameters():
        rate = 0.04 * float(first[name].square().mean().sqrt()) if name in of_one_sign else 2e-3
        torch.testing.assert_close(parameter - first[name], torch.full_like(parameter, -rate), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("convex", [True, False])
def test_every_parameter_is_in_one_group(convex):
    network = make_network(convex)
    groups = parameter_groups(network, 0.1, 0.1)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in network.parameters())
    assert len(groups) == (3 if convex else 1)


def test_a_cycle_reaches_the_rates():
    optimizer = torch.optim.Adam(parameter_groups(make_network(), 2e-3, 0.04))
    peaks = peak_rates(optimizer)
    assert len(set(peaks)) == 3
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=10, pct_start=0.3)
    assert peak_rates(optimizer)[0] < peaks[0]
    reached = [peak_rates(optimizer)]
    for _ in range(9):
        optimizer.step()
        scheduler.step()
        reached.append(peak_rates(optimizer))
    assert [max(rates) for rates in zip(*reached, strict=True)] == pytest.approx(peaks)


@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, -1.0)])
def test_rates_must_be_positive(rates):
    with pytest.raises(ValueError, match=f"positive, got {rates[0]} and {rates[1]}"):
        parameter_groups(make_network(), *rates)
