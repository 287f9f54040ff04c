from __future__ import annotations

import math

import pytest
import torch
from monai.data import Dataset

from bundle.attributions import ExpectedGradientsAttribution, IntegratedGradientsAttribution
from tests.oracles import attributions as oracle


@pytest.mark.parametrize("null_probability", [0.0, 0.25], ids=["eg", "ieg"])
@pytest.mark.parametrize("size", [(40, 48), (32, 26, 30)], ids=["2d", "3d"])
@pytest.mark.parametrize("method", ["decoder", "autograd"])
def test_equals_the_mean_over_the_same_draws(patchgan, draw_images, size, method, null_probability):
    network, images, references = patchgan(len(size), method), draw_images(2, 1, *size), draw_images(3, 1, *size)
    attribution = ExpectedGradientsAttribution(references, 10, null_probability=null_probability, seed=3)
    result = attribution(network, images)
    draws = [
        (torch.zeros(1, *size, dtype=torch.float64) if draw.reference is None else references[draw.reference], a)
        for draw, a in ((draw, draw.position) for draw in attribution.draws())
    ]
    for image, found in zip(images, result, strict=True):
        expected = torch.from_numpy(oracle.expected_gradients(network.classifier, image, draws))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("null_probability", [0.0, 0.25], ids=["eg", "ieg"])
def test_linear_network_is_attributed_its_weights(linear, null_probability):
    network, weight = linear
    attribution = ExpectedGradientsAttribution(torch.randn(4, *weight.shape), 9, null_probability=null_probability)
    result = attribution(network, torch.randn(3, *weight.shape))
    torch.testing.assert_close(result, weight.expand(3, *weight.shape))


def test_converges_to_the_mean_of_integrated_gradients(patchgan, draw_images):
    network, image, references = patchgan(2), draw_images(1, 1, 40, 48), draw_images(3, 1, 40, 48, seed=2)
    limit = torch.cat([IntegratedGradientsAttribution(200, baseline=r)(network, image) for r in references]).mean(0)

    def error(n_draws: int) -> float:
        """Root mean square, over seeds, of the relative error."""
        maps = [
            ExpectedGradientsAttribution(references, n_draws, seed=seed, internal_batch_size=32)(network, image)
            for seed in range(4)
        ]
        return math.sqrt(sum(float((m[0] - limit).norm() / limit.norm()) ** 2 for m in maps) / len(maps))

    few, many = error(16), error(256)
    assert many < 0.15
    assert few / many == pytest.approx(math.sqrt(256 / 16), rel=0.35)


def test_draws_follow_their_distributions():
    n_draws = 4000
    draws = ExpectedGradientsAttribution(torch.zeros(4, 1, 8, 8), n_draws, null_probability=0.25).draws()
    shares = [sum(draw.reference == number for draw in draws) / n_draws for number in (None, 0, 1, 2, 3)]
    assert shares == pytest.approx([0.25, *[0.1875] * 4], abs=0.03)  # four standard deviations
    positions = torch.tensor([draw.position for draw in draws])
    assert float(positions.mean()) == pytest.approx(1 / 2, abs=0.02)
    assert float(positions.var()) == pytest.approx(1 / 12, abs=0.006)


def test_stratified_draws_have_one_point_in_each_interval():
    draws = ExpectedGradientsAttribution(torch.zeros(4, 1, 8, 8), 50, stratified=True).draws()
    assert [math.floor(50 * draw.position) for draw in draws] == list(range(50))


@pytest.mark.parametrize("internal_batch_size", [1, 2, 7, 100])
def test_internal_batch_size_bounds_the_passes_only(patchgan, draw_images, internal_batch_size):
    network, images, references = patchgan(2), draw_images(3, 1, 40, 48), draw_images(2, 1, 40, 48, seed=2)
    sizes = []
    network.classifier.blocks[1].conv.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    result = ExpectedGradientsAttribution(references, 6, internal_batch_size=internal_batch_size)(network, images)
    assert max(sizes) <= internal_batch_size and sum(sizes) == 3 * 6
    expected = ExpectedGradientsAttribution(references, 6, internal_batch_size=18)(network, images)
    torch.testing.assert_close(result, expected)


def test_the_seed_decides_and_the_global_state_does_not(patchgan, draw_images):
    network, images, references = patchgan(2), draw_images(2, 1, 40, 48), draw_images(5, 1, 40, 48, seed=2)
    attribution = ExpectedGradientsAttribution(references, 4, seed=7)
    state = torch.get_rng_state()
    first = attribution(network, images)
    torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)
    torch.manual_seed(123)
    torch.testing.assert_close(attribution(network, images), first, rtol=0, atol=0)
    torch.testing.assert_close(attribution(network, images[1:]), first[1:])  # whatever the batch it comes in


def test_references_from_a_dataset(patchgan, draw_images):
    network, images, references = patchgan(2), draw_images(1, 1, 40, 48), draw_images(5, 1, 40, 48, seed=2)
    expected = ExpectedGradientsAttribution(references, 4)(network, images)
    for others in (list(references), Dataset([{"image": reference.float()} for reference in references])):
        result = ExpectedGradientsAttribution(others, 4)(network, images)
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-8)


def test_progress_is_shown_on_request(linear, capsys):
    network, weight = linear
    for progress, shown in ((False, False), (True, True)):
        ExpectedGradientsAttribution(weight[None], 3, progress=progress)(network, weight[None])
        assert ("expected gradients: 100%" in capsys.readouterr().err) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"references": []}, "at least one image, got 0", id="references"),
        pytest.param({"null_probability": 1.5}, r"between 0 and 1, got 1\.5", id="null_probability"),
        pytest.param({"n_draws": 0}, "n_draws must be .* got 0", id="n_draws"),
        pytest.param({"internal_batch_size": -2}, "internal_batch_size must be .* got -2", id="batch"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExpectedGradientsAttribution(**{"references": torch.zeros(1, 1, 8, 8), **arguments})


def test_reference_of_another_shape(patchgan):
    attribution = ExpectedGradientsAttribution(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"\(1, 40, 48\), got \(1, 8, 8\) for reference 0"):
        attribution(patchgan(2), torch.zeros(1, 1, 40, 48, dtype=torch.float64))
