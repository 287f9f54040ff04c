"""With a healthy atlas every map is the one that the classifier has of the deviations."""

from __future__ import annotations

import pytest
import torch

from bundle.attributions import ExpectedGradientsAttribution, GradCAMAttribution, IntegratedGradientsAttribution
from bundle.networks import AttributionNet, HealthyAtlas

SIZE = (52, 46)
NETWORKS = {"image": {"norm": "none"}, "hinges": {"norm": "none", "intensity_knots": (0.0, 1.0)}}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS)
def networks(request, patchgan, draw_images):
    """A network with an atlas, and the same without it."""
    plain = patchgan(2, **request.param)
    atlas = HealthyAtlas(SIZE).double()
    atlas.fit(1.0 + 2.0 * draw_images(12, 1, *SIZE, seed=3))
    return AttributionNet(plain.classifier, atlas=atlas).eval(), plain


@pytest.mark.parametrize("method", ["captum", "decoder"])
def test_integrated_gradients(networks, draw_images, method):
    network, plain = networks
    images, start = draw_images(2, 1, *SIZE), draw_images(1, 1, *SIZE, seed=2)
    found = IntegratedGradientsAttribution(4, baseline=start, method=method)(network, images)
    expected = IntegratedGradientsAttribution(4, baseline=network.atlas(start), method=method)(
        plain, network.atlas(images)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_expected_gradients(networks, draw_images):
    network, plain = networks
    images, references = draw_images(2, 1, *SIZE), draw_images(3, 1, *SIZE, seed=2)
    found = ExpectedGradientsAttribution(references, 9, null_probability=0.3)(network, images)
    expected = ExpectedGradientsAttribution(network.atlas(references), 9, null_probability=0.3)(
        plain, network.atlas(images)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_grad_cam(networks, draw_images):
    network, plain = networks
    images = draw_images(2, 1, *SIZE)
    torch.testing.assert_close(
        GradCAMAttribution()(network, images), GradCAMAttribution()(plain, network.atlas(images)), rtol=0, atol=1e-12
    )
