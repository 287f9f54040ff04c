from __future__ import annotations

import pytest
import torch
from monai.networks.nets import DenseNet121

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet, PatchGANClassifier


class LinearClassifier(torch.nn.Module):
    """F(x) = <w, x>: its attribution map is w for every image."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.weight).flatten(1).sum(1, keepdim=True)


def test_linear_classifier_is_attributed_its_weights():
    weight = torch.randn(1, 5, 6)
    pred = AttributionNet(LinearClassifier(weight))(torch.randn(2, 1, 5, 6))
    attribution, _ = split_prediction(pred)
    torch.testing.assert_close(attribution, weight.expand(2, 1, 5, 6))


def test_logit_is_the_mean_of_the_patch_logits():
    classifier = PatchGANClassifier(2, 1, (4, 4, 4, 4)).eval()
    x = torch.randn(2, 1, 48, 40)
    with torch.no_grad():
        _, logit = split_prediction(AttributionNet(classifier)(x))
        torch.testing.assert_close(logit[:, 0], classifier(x).mean((1, 2, 3)))


@pytest.mark.parametrize("size", [(48, 48), (48, 48, 48)], ids=["2d", "3d"])
def test_any_monai_classifier_through_autograd(size):
    torch.manual_seed(0)
    classifier = DenseNet121(len(size), 1, 1, init_features=4, growth_rate=4, block_config=(1, 1, 1, 1))
    network = AttributionNet(classifier).eval()
    x = torch.randn(1, 1, *size)
    with torch.no_grad():
        attribution, logit = split_prediction(network(x))
    # Central difference along a random direction; in float64, where it is exact to the step squared.
    direction = torch.randn(1, 1, *size, dtype=torch.float64)
    step = 1e-6 * direction
    classifier.double()
    with torch.no_grad():
        slope = (classifier(x.double() + step) - classifier(x.double() - step)) / 2e-6
        torch.testing.assert_close(logit.double(), classifier(x.double()), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close((attribution.double() * direction).sum(), slope.sum(), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("method", ["decoder", "autograd"])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
def test_map_needs_no_grad_mode(method, context):
    torch.manual_seed(0)
    network = AttributionNet(PatchGANClassifier(2, 1, (4, 4, 4, 4)), method).eval()
    x = torch.randn(1, 1, 48, 40)
    expected = network(x).detach()
    with context():
        pred = network(x)
    assert not pred.requires_grad
    assert pred[:, :1].abs().sum() > 0
    torch.testing.assert_close(pred, expected)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_scripted_network_gives_the_same_map(norm):
    torch.manual_seed(0)
    network = AttributionNet(PatchGANClassifier(3, 1, (4, 4, 8, 8), norm=norm)).eval()
    scripted = torch.jit.script(network)
    x = torch.randn(2, 1, 33, 26, 37)
    with torch.no_grad():
        torch.testing.assert_close(scripted(x), network(x))


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="'magic'"):
        AttributionNet(PatchGANClassifier(2, 1, (2, 2, 2, 2)), "magic")


def test_decoder_of_a_classifier_without_one_is_refused():
    with pytest.raises(ValueError, match="LinearClassifier has no attribution decoder"):
        AttributionNet(LinearClassifier(torch.ones(1, 4, 4)), "decoder")
