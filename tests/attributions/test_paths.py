"""Sums of gradients along lines: Captum, every point on its own, and how often layers are run."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from bundle.attributions import ExpectedGradientsAttribution, IntegratedGradientsAttribution
from bundle.attributions.paths import PathPoint, sum_of_gradients
from bundle.conventions import split_prediction
from bundle.networks import AttributionNet

NETWORKS = {
    "group": {"norm": "group"},
    "batch": {"norm": "batch"},
    "none": {"norm": "none"},
    "hinges": {"norm": "none", "intensity_knots": (-1.0, 0.0, 1.0), "intensity_pooling": 2},
}
SIZES = [pytest.param((68, 70), id="2d"), pytest.param((66, 52, 60), id="3d")]


def relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_integrated_gradients_equal_those_of_captum(patchgan, draw_images, options, size):
    network, images, baseline = (
        patchgan(len(size), **options),
        draw_images(2, 1, *size),
        draw_images(1, 1, *size, seed=2),
    )
    for start in (None, baseline):
        captum, decoder, chosen = (
            IntegratedGradientsAttribution(8, baseline=start, method=method)(network, images)
            for method in ("captum", "decoder", "auto")
        )
        assert relative_difference(decoder, captum) < 1e-5
        torch.testing.assert_close(chosen, decoder, rtol=0, atol=0)


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_expected_gradients_equal_the_mean_over_every_point(patchgan, draw_images, options, size):
    network, images, references = (
        patchgan(len(size), **options),
        draw_images(2, 1, *size),
        draw_images(3, 1, *size, seed=2),
    )
    attribution = ExpectedGradientsAttribution(references, 9, null_probability=0.3, seed=0)
    draws = attribution.draws()
    assert {draw.reference for draw in draws} == {None, 0, 1, 2}
    expected = torch.zeros_like(images)
    with torch.no_grad():
        for draw in draws:
            reference = torch.zeros_like(images[0]) if draw.reference is None else references[draw.reference]
            expected += split_prediction(network(reference + draw.position * (images - reference)))[0] / len(draws)
    assert relative_difference(attribution(network, images), expected) < 1e-12


@pytest.mark.parametrize(("name", "passes"), [("none", 1 + 2), ("hinges", 6)])
def test_an_affine_first_layer_is_run_once_for_the_image_and_for_every_start(patchgan, draw_images, name, passes):
    network, image = patchgan(2, **NETWORKS[name]), draw_images(1, 1, 68, 70)
    images = []
    first, second = (block.conv for block in network.classifier.blocks[:2])
    first.register_forward_pre_hook(lambda module, inputs: images.append(len(inputs[0])))
    rest = []
    second.register_forward_pre_hook(lambda module, inputs: rest.append(len(inputs[0])))
    starts = [partial(draw_images, 1, 1, 68, 70, seed=seed) for seed in (2, 3)]
    points = [PathPoint(starts[number >= 4], number / 8, 1 / 6) for number in range(6)]
    sum_of_gradients(network, image, points, internal_batch_size=4)
    assert sum(images) == passes and rest == [4, 2]


def test_any_network_is_summed_point_by_point(draw_images):
    class Quadratic(nn.Module):
        """F(x) = sum of x^2 / 2, whose gradient at x is x."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1).square().sum(1, keepdim=True) / 2

    image, start = draw_images(2, 1, 4, 5), draw_images(1, 1, 4, 5, seed=2)
    points = [PathPoint(lambda: start, 0.25, 2.0), PathPoint(lambda: start, 1.0, 1.0)]
    found = sum_of_gradients(AttributionNet(Quadratic()).eval(), image, points, internal_batch_size=2)
    torch.testing.assert_close(found, 2 * (0.75 * start + 0.25 * image) + image)


def test_wrong_method_is_named(linear):
    with pytest.raises(ValueError, match="'fast'"):
        IntegratedGradientsAttribution(method="fast")
    network, weight = linear
    with pytest.raises(ValueError, match="without decoder, got AttributionNet"):
        IntegratedGradientsAttribution(method="decoder")(network, weight[None])
