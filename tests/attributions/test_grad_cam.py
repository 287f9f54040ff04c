from __future__ import annotations

import pytest
import torch
from monai.networks.nets import DenseNet121
from torch import nn

from bundle.attributions import GradCAMAttribution
from bundle.attributions.grad_cam import last_feature_layer
from bundle.conventions import join_prediction
from bundle.networks import AttributionNet
from tests.oracles import attributions as oracle

SIZES = [pytest.param((40, 48), id="2d"), pytest.param((34, 26, 30), id="3d")]


def assert_maps_equal(result: torch.Tensor, expected: list) -> None:
    for found, image in zip(result[:, 0], expected, strict=True):
        torch.testing.assert_close(found, torch.from_numpy(image), rtol=0, atol=1e-12)


@pytest.fixture
def densenet():
    def make(spatial_dims: int) -> AttributionNet:
        torch.manual_seed(0)
        classifier = DenseNet121(spatial_dims, 1, 1, init_features=4, growth_rate=4, block_config=(1, 1))
        return AttributionNet(classifier.double()).eval()

    return make


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm_before_activation", [True, False])
def test_patchgan_equals_a_pass_by_hand(patchgan, draw_images, size, norm_before_activation):
    network = patchgan(len(size), norm_before_activation=norm_before_activation)
    images = draw_images(2, 1, *size)
    *hidden, last = network.classifier.blocks
    expected = []
    for image in images:
        features = image[None]
        for block in hidden:
            features = block(features)
        expected.append(oracle.grad_cam(features, last.conv, size))
    result = GradCAMAttribution()(network, images)
    assert_maps_equal(result, expected)
    assert result.min() < 0 < result.max()  # no rectifier


@pytest.mark.parametrize("size", SIZES)
def test_densenet_equals_a_pass_by_hand(densenet, draw_images, size):
    network, images = densenet(len(size)), draw_images(2, 1, *size)
    head = network.classifier.class_layers
    # The head's activation works in place, on the tensor that the last norm returned.
    for layer, first in (("classifier.features.norm5", 0), ("classifier.class_layers.relu", 1)):
        expected = []
        for image in images:
            features = head[:first](network.classifier.features(image[None]))
            expected.append(oracle.grad_cam(features, lambda a, first=first: head[first:](a.clone()), size))
        assert_maps_equal(GradCAMAttribution(layer)(network, images), expected)
    torch.testing.assert_close(GradCAMAttribution()(network, images), GradCAMAttribution(layer)(network, images))


def test_the_last_feature_layer(patchgan, densenet):
    assert last_feature_layer(patchgan(2), torch.zeros(1, 1, 40, 48, dtype=torch.float64)) == "classifier.blocks.3"
    layer = last_feature_layer(densenet(2), torch.zeros(1, 1, 40, 48, dtype=torch.float64))
    assert layer == "classifier.class_layers.relu"


def test_frozen_weights_and_disabled_gradients(patchgan, draw_images):
    network, images = patchgan(2), draw_images(1, 1, 40, 48)
    expected = GradCAMAttribution()(network, images)
    network.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(GradCAMAttribution()(network, images), expected, rtol=0, atol=0)
    assert not images.requires_grad


def test_all_channels_share_the_map(draw_images):
    network = AttributionNet(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 1, 3))).double().eval()
    result = GradCAMAttribution()(network, draw_images(1, 2, 8, 9))
    torch.testing.assert_close(result[:, 0], result[:, 1], rtol=0, atol=0)


class Quadratic(nn.Module):
    """F(x) = sum of (2x)², with its prediction tensor and no classifier inside."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Identity()
        self.doubled = nn.Upsample(scale_factor=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        doubled = self.doubled(2 * x)
        return join_prediction(8 * x, doubled.flatten(1).square().sum(1, keepdim=True))


def test_a_named_layer_of_any_network():
    image = torch.randn(2, 1, 4, 5)
    weight = (4 * image).mean((2, 3), keepdim=True)  # dF/dA = 2A at A = 2x
    torch.testing.assert_close(GradCAMAttribution("doubled")(Quadratic(), image), weight * 2 * image)


def test_wrong_layers(patchgan, densenet):
    image = torch.zeros(1, 1, 40, 48, dtype=torch.float64)
    with pytest.raises(ValueError, match="got None for Quadratic"):
        GradCAMAttribution()(Quadratic(), image)
    with pytest.raises(ValueError, match="'unused', which was not run"):
        GradCAMAttribution("unused")(Quadratic(), image)
    with pytest.raises(ValueError, match=r"got 'classifier\.blocks\.9'"):
        GradCAMAttribution("classifier.blocks.9")(patchgan(2), image)
    with pytest.raises(ValueError, match=r"got 'classifier\.class_layers\.out' with \(1, 1\)"):
        GradCAMAttribution("classifier.class_layers.out")(densenet(2), image)


def test_a_classifier_without_feature_maps():
    network = AttributionNet(nn.Sequential(nn.Flatten(), nn.Linear(20, 1)))
    with pytest.raises(ValueError, match=r"got none in Sequential for an image of \(4, 5\)"):
        GradCAMAttribution()(network, torch.zeros(1, 1, 4, 5))
