from __future__ import annotations

import torch

from bundle.attributions import GradientAttribution
from bundle.networks import AttributionNet, PatchGANClassifier


def test_equals_autograd_of_the_classifier():
    torch.manual_seed(0)
    classifier = PatchGANClassifier(spatial_dims=3, channels=(4, 8, 8, 8), norm="group").double()
    network = AttributionNet(classifier).double().eval()
    image = torch.randn(2, 1, 32, 29, 31, dtype=torch.float64, requires_grad=True)
    logit = network(image)[:, -1].flatten(1)[:, 0]
    patches = classifier(image).flatten(1).mean(1)
    torch.testing.assert_close(logit, patches)
    expected = torch.autograd.grad(patches.sum(), image)[0]
    with torch.no_grad():
        result = GradientAttribution()(network, image)
    torch.testing.assert_close(result, expected, atol=1e-10, rtol=0)


def test_linear_network_is_attributed_its_weights(linear):
    network, weight = linear
    result = GradientAttribution()(network, torch.randn(3, *weight.shape))
    torch.testing.assert_close(result, weight.expand(3, *weight.shape))
