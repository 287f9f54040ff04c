"""The priors that the constraint is compared with; eq. 2 and 3 are tested through the loss, in test_attribution.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bundle.losses.functional import ross_penalty, total_variation
from tests.oracles import paper_equations as oracle

SPATIAL = [pytest.param((7, 5), id="2d"), pytest.param((4, 6, 5), id="3d")]


def random_maps(spatial: tuple[int, ...], channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, channels, *spatial, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("labels", [[0, 1, 0], [0, 0, 0], [1, 1, 1]], ids=["both", "all_healthy", "no_healthy"])
def test_ross_penalty(spatial, labels):
    attribution, label = random_maps(spatial), torch.tensor(labels)
    value = ross_penalty(attribution, label)
    value.backward()  # in the graph, even with nothing to penalise
    assert math.isclose(value.item(), oracle.ross(attribution.detach().numpy(), labels), rel_tol=1e-12)
    healthy = (label == 0).double().reshape(-1, *[1] * (len(spatial) + 1))
    torch.testing.assert_close(attribution.grad, 2 * attribution.detach() * healthy)


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("standardise", [False, True])
def test_total_variation(spatial, standardise):
    attribution = random_maps(spatial)
    expected = oracle.total_variation(attribution.detach().numpy(), standardise=standardise)
    assert math.isclose(total_variation(attribution, standardise=standardise).item(), expected, rel_tol=1e-12)


@pytest.mark.parametrize("standardise", [False, True])
def test_total_variation_of_stripes(standardise):
    """Stripes of 1 and 3 along the last axis: every neighbour there differs by two, twice the standard deviation."""
    stripes = 2.0 + (-1.0) ** torch.arange(6, dtype=torch.float64)
    maps = stripes.expand(2, 1, 4, 5, 6)
    assert math.isclose(total_variation(maps, standardise=standardise).item(), 2.0, rel_tol=1e-12)
    assert math.isclose(total_variation(5 * maps, standardise=standardise).item(), 2.0 if standardise else 10.0)


def test_each_map_is_standardised_alone():
    maps = random_maps((7, 5))
    unit = torch.tensor([1.0, -1.0e-6, 1.0e4], dtype=torch.float64).reshape(3, 1, 1, 1)
    value, other = (total_variation(m, standardise=True).item() for m in (maps, unit * maps + unit))
    assert math.isclose(value, other, rel_tol=1e-9)


def test_standardised_total_variation_does_not_pull_the_map_to_zero():
    """The gradient along the map itself is zero; without standardisation it is the total variation."""
    for standardise in (True, False):
        maps = random_maps((4, 6, 5))
        value = total_variation(maps, standardise=standardise)
        value.backward()
        expected = 0.0 if standardise else value.item()
        assert float((maps.grad * maps.detach()).sum()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0e-8, -3.0])
@pytest.mark.parametrize("standardise", [False, True])
def test_constant_map_has_no_variation(value, standardise):
    maps = torch.full((2, 1, 4, 4), value, requires_grad=True)
    result = total_variation(maps, standardise=standardise)
    result.backward()
    assert result.item() == 0.0
    np.testing.assert_array_equal(maps.grad, np.zeros((2, 1, 4, 4)))
