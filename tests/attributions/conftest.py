"""Networks and images that the tests of several methods share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.networks import AttributionNet, PatchGANClassifier


class LinearClassifier(nn.Module):
    """F(x) = <w, x>: every gradient, wherever it is taken, is w."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.weight).flatten(1).sum(1, keepdim=True)


@pytest.fixture(params=[(6, 7), (5, 4, 3)], ids=["2d", "3d"])
def linear(request):
    """A linear network and its weights, for images of two channels."""
    weight = torch.randn(2, *request.param, generator=torch.Generator().manual_seed(0))
    return AttributionNet(LinearClassifier(weight)).eval(), weight


@pytest.fixture
def patchgan():
    """Make a narrow float64 PatchGAN with weights large enough for its gradient to vary along a line."""

    def make(spatial_dims: int, method: str = "auto", **options: object) -> AttributionNet:
        torch.manual_seed(0)
        classifier = PatchGANClassifier(spatial_dims, channels=(4, 4, 4, 4), norm_groups=2, **options).double()
        for parameter in classifier.parameters():
            nn.init.normal_(parameter, 0.0, 0.2)
        return AttributionNet(classifier, method).eval()

    return make


@pytest.fixture
def draw_images():
    """Draw standard normal float64 images."""

    def draw(*shape: int, seed: int = 1) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    return draw
