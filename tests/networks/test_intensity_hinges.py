from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from bundle.networks import PatchGANClassifier
from bundle.networks.intensity_hinges import IntensityHinges

KNOTS = (-1.0, 0.5, 2.0)


def test_hinges_bend_at_their_knots():
    hinges = IntensityHinges([0.0, 2.0], slope=0.1)
    x = torch.tensor([-1.0, 1.0, 3.0]).reshape(1, 1, 3, 1)
    expected = torch.tensor([[-0.1, 1.0, 3.0], [-0.3, -0.1, 1.0]]).reshape(1, 2, 3, 1)
    torch.testing.assert_close(hinges(x), expected)
    grad = torch.ones(1, 2, 3, 1)
    torch.testing.assert_close(hinges.pullback(grad, x).flatten(), torch.tensor([0.2, 1.1, 2.0]))


def test_hinges_are_averaged_over_cubes():
    hinges = IntensityHinges([0.0], slope=0.0, pooling=2)
    x = torch.tensor([[4.0, 8.0, 2.0], [-1.0, 0.0, 6.0]])[None, None]
    torch.testing.assert_close(hinges(x), torch.tensor([[3.0, 2.0]])[None, None])
    expected = torch.tensor([[0.25, 0.25, 0.5], [0.0, 0.0, 0.5]])[None, None]
    torch.testing.assert_close(hinges.pullback(torch.tensor([[1.0, 2.0]])[None, None], x), expected)


@pytest.mark.parametrize("size", [(5, 8), (4, 5, 3)], ids=["2d", "3d"])
@pytest.mark.parametrize("pooling", [1, 2, 3])
def test_equals_the_hinges_one_by_one(size, pooling):
    generator = torch.Generator().manual_seed(0)
    x = 2.0 * torch.randn(2, 2, *size, dtype=torch.float64, generator=generator)
    x[0, 0].flatten()[: len(KNOTS)] = torch.tensor(KNOTS, dtype=torch.float64)  # exactly on the knots
    x.requires_grad_(True)
    average = F.avg_pool3d if len(size) == 3 else F.avg_pool2d
    options = {"ceil_mode": True, "divisor_override": pooling ** len(size)}
    expected = torch.cat([average(F.leaky_relu(x - knot, 0.1), pooling, **options) for knot in KNOTS], dim=1)
    hinges = IntensityHinges(KNOTS, slope=0.1, pooling=pooling)
    found = hinges(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    grad = torch.randn(found.shape, dtype=torch.float64, generator=generator)
    (derivative,) = torch.autograd.grad(expected, x, grad)
    torch.testing.assert_close(hinges.pullback(grad, x.detach()), derivative, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found, x, grad)[0], derivative, rtol=0, atol=1e-12)
    assert hinges.output_size(x) == list(found.shape[2:])


@pytest.mark.parametrize("knots", [[0.0, 0.0], [1.0, -1.0], list(range(256))])
def test_wrong_knots_are_named(knots):
    with pytest.raises(ValueError, match=f"at most 255 rising intensities, got \\[{knots[0]}, {knots[1]}"):
        IntensityHinges(knots, 0.2)


@pytest.mark.parametrize(("knots", "pooling"), [([0.0], 0), ([], 2)])
def test_wrong_pooling_is_named(knots, pooling):
    with pytest.raises(ValueError, match=f"got {pooling} for {len(knots)} knots"):
        IntensityHinges(knots, 0.2, pooling)


def test_knots_are_kept_with_the_weights():
    assert PatchGANClassifier(2, 1, (2, 2), (2, 2, 1), intensity_knots=KNOTS).state_dict()["hinges.knots"].tolist() == [
        -1.0,
        0.5,
        2.0,
    ]
    assert "hinges.knots" not in PatchGANClassifier(2, 1, (2, 2), (2, 2, 1)).state_dict()
