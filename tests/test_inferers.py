from __future__ import annotations

import pytest
import torch

from bundle.conventions import split_prediction
from bundle.inferers import MixedPrecisionInferer
from bundle.networks import AttributionNet, PatchGANClassifier


@pytest.fixture
def network():
    torch.manual_seed(0)
    return AttributionNet(PatchGANClassifier(2, 1, (8, 8), (2, 1, 1), norm="group", norm_groups=2))


def test_float32_changes_nothing(network):
    images = torch.randn(2, 1, 24, 20)
    torch.testing.assert_close(MixedPrecisionInferer()(images, network), network(images), rtol=0, atol=0)


def test_bfloat16_computes_in_it_and_returns_float32(network):
    kinds = []
    network.classifier.blocks[1].conv.register_forward_hook(lambda *call: kinds.append(call[2].dtype))
    images = torch.randn(2, 1, 24, 20)
    pred = MixedPrecisionInferer("bfloat16")(images, network)
    assert kinds == [torch.bfloat16] and pred.dtype == torch.float32
    for part, exact in zip(split_prediction(pred), split_prediction(network(images)), strict=True):
        assert 0 < (part - exact).norm() < 0.03 * exact.norm()  # bfloat16 has 8 bits: 0.4 % for each number


def test_gradients_in_bfloat16_point_where_those_in_float32_do(network):
    images = torch.randn(2, 1, 24, 20)
    gradients = []
    for precision in ("float32", "bfloat16"):
        network.zero_grad()
        MixedPrecisionInferer(precision)(images, network).square().sum().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
    assert gradients[1].dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.999


def test_arguments_reach_the_network(network):
    attributed = torch.tensor([0])
    pred = MixedPrecisionInferer("bfloat16")(torch.randn(2, 1, 24, 20), network, attributed=attributed)
    assert torch.isfinite(pred[0]).all() and torch.isnan(pred[1, 0]).all()


def test_unknown_precision():
    with pytest.raises(ValueError, match="'float16'"):
        MixedPrecisionInferer("float16")
