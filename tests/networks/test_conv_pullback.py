"""The derivative of a convolution against autograd, through either of its two ways."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from bundle.networks import conv_pullback as module
from bundle.networks.conv_pullback import conv_pullback


def conv(x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
    function = F.conv3d if x.dim() == 5 else F.conv2d
    return function(x, weight, stride=stride, padding=padding)


@pytest.fixture
def by_phases(monkeypatch):
    """Note the calls of the way that few channels take."""
    calls = []
    original = module._conv_pullback_by_phases
    monkeypatch.setattr(module, "_conv_pullback_by_phases", lambda *args: calls.append(1) or original(*args))
    return calls


@pytest.mark.parametrize("size", [(9, 12), (8, 7, 9)], ids=["2d", "3d"])
@pytest.mark.parametrize(
    ("stride", "kernel", "padding"), [(2, 4, 1), (1, 4, 1), (2, 2, 1), (4, 4, 1), (2, 3, 1), (4, 4, 3)]
)
@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 3), (4, 2), (5, 1), (5, 3)])
def test_equals_autograd(by_phases, size, stride, kernel, padding, in_channels, out_channels):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, in_channels, *size, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(out_channels, in_channels, *[kernel] * len(size), dtype=torch.float64, generator=generator)
    out = conv(x, weight, stride, padding)
    grad = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    (expected,) = torch.autograd.grad(out, x, grad)
    torch.testing.assert_close(conv_pullback(grad, weight, list(size), stride, padding), expected, rtol=0, atol=1e-12)
    few = in_channels <= 4 or out_channels == 1
    assert len(by_phases) == (few and kernel % stride == 0 and stride <= padding + 1)


@pytest.mark.parametrize("in_channels", [1, 5], ids=["by_phases", "transposed"])
def test_is_differentiable_in_both_arguments(in_channels):
    generator = torch.Generator().manual_seed(0)
    grad = torch.randn(1, 2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(2, in_channels, 4, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g, w: conv_pullback(g, w, [7, 6], 2, 1), (grad, weight))
