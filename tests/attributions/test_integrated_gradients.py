from __future__ import annotations

import pytest
import torch

from bundle.attributions import IntegratedGradientsAttribution
from bundle.attributions.common import image_logit
from tests.oracles import attributions as oracle


@pytest.mark.parametrize("size", [(40, 48), (32, 26, 30)], ids=["2d", "3d"])
@pytest.mark.parametrize("method", ["decoder", "autograd"])
def test_equals_the_quadrature(patchgan, draw_images, size, method):
    network, images = patchgan(len(size), method), draw_images(2, 1, *size)
    result = IntegratedGradientsAttribution(n_steps=9)(network, images)
    for image, found in zip(images, result, strict=True):
        expected = oracle.integrated_gradients(network.classifier, image, torch.zeros_like(image), 9)
        # Captum rounds the weights of the quadrature to float32.
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-6 * abs(expected).max())


def test_linear_network_is_attributed_its_weights(linear):
    network, weight = linear
    result = IntegratedGradientsAttribution(n_steps=3)(network, torch.randn(3, *weight.shape))
    torch.testing.assert_close(result, weight.expand(3, *weight.shape))


def test_completeness(patchgan, draw_images):
    network = patchgan(3, slope=1.0)  # smooth: without rectifiers the quadrature converges fast
    images, baseline = draw_images(2, 1, 32, 26, 30), draw_images(1, 1, 32, 26, 30, seed=2)
    result = IntegratedGradientsAttribution(n_steps=50, baseline=baseline)(network, images)
    with torch.no_grad():
        difference = image_logit(network, images) - image_logit(network, baseline)
    total = (result * (images - baseline)).flatten(1).sum(1, keepdim=True)
    torch.testing.assert_close(total, difference, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(), (1, 1, 1), (1, 40, 48), (3, 1, 40, 48)])
def test_baseline_is_broadcast(patchgan, draw_images, shape):
    network, images, baseline = patchgan(2), draw_images(3, 1, 40, 48), draw_images(*shape, seed=2)
    result = IntegratedGradientsAttribution(n_steps=4, baseline=baseline)(network, images)
    for image, start, found in zip(images, baseline.expand_as(images), result, strict=True):
        expected = oracle.integrated_gradients(network.classifier, image, start, 4)
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize("internal_batch_size", [1, 2, 7, 100])
def test_internal_batch_size_bounds_the_passes_only(patchgan, draw_images, internal_batch_size):
    network, images = patchgan(2), draw_images(3, 1, 40, 48)
    sizes = []
    network.classifier.blocks[1].conv.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    result = IntegratedGradientsAttribution(n_steps=6, internal_batch_size=internal_batch_size)(network, images)
    assert max(sizes) <= internal_batch_size and sum(sizes) == 3 * 6
    expected = IntegratedGradientsAttribution(n_steps=6, internal_batch_size=18)(network, images)
    torch.testing.assert_close(result, expected)


def test_wrong_arguments(patchgan):
    with pytest.raises(ValueError, match=r"n_steps must be .* got 0"):
        IntegratedGradientsAttribution(n_steps=0)
    with pytest.raises(ValueError, match=r"internal_batch_size must be .* got 1\.5"):
        IntegratedGradientsAttribution(internal_batch_size=1.5)
    method = IntegratedGradientsAttribution(baseline=torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r"\(2, 1, 40, 48\), got \(1, 8, 8\)"):
        method(patchgan(2), torch.zeros(2, 1, 40, 48))
