"""The decoder against autograd: the two ways to compute an attribution map must give one result."""

from __future__ import annotations

import itertools

import pytest
import torch

from bundle.networks import AttributionNet, PatchGANClassifier
from bundle.networks.attribution_decoder import BatchNorm, make_norm

NORMS = ["batch", "group", "instance", "none"]
SIZES = [pytest.param((27, 33), id="2d_odd"), pytest.param((24, 27, 31), id="3d_mixed")]
CASES = list(itertools.product(NORMS, [True, False]))
IDS = [f"{norm}_{'before' if before else 'after'}_activation" for norm, before in CASES]
KNOTS = (-1.0, 0.5, 2.0)


def make_classifier(
    spatial_dims: int,
    norm: str,
    norm_before_activation: bool,
    in_channels: int = 1,
    knots: tuple[float, ...] = (),
    pooling: int = 1,
) -> PatchGANClassifier:
    """Make a narrow float64 classifier with weights large enough for every term to count."""
    torch.manual_seed(0)
    classifier = PatchGANClassifier(
        spatial_dims,
        in_channels,
        (4, 8, 8, 8),
        norm=norm,
        norm_groups=4,
        norm_before_activation=norm_before_activation,
        intensity_knots=knots,
        intensity_pooling=pooling,
    ).double()
    for parameter in classifier.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return classifier


def relative_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-300))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("norm", "before"), CASES, ids=IDS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_map_equals_autograd(size, norm, before, training):
    classifier = make_classifier(len(size), norm, before)
    x = torch.randn(3, 1, *size, dtype=torch.float64)
    classifier.train()(x)  # moves BatchNorm's running statistics off their initial values
    maps = {m: AttributionNet(classifier, m).train(training)(x).detach() for m in ("decoder", "autograd")}
    assert relative_difference(maps["decoder"][:, :1], maps["autograd"][:, :1]) < 1e-10
    assert relative_difference(maps["decoder"][:, 1:], maps["autograd"][:, 1:]) < 1e-10


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("norm", "before"), CASES, ids=IDS)
def test_parameter_gradients_equal_double_backpropagation(size, norm, before):
    x = torch.randn(3, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = {}
    for method in ("decoder", "autograd"):
        classifier = make_classifier(len(size), norm, before)
        pred = AttributionNet(classifier, method).train()(x)
        scale = pred[:, :1].detach().abs().mean()
        (torch.nn.functional.softplus(pred[:, :1] / scale).mean() + pred[:, 1:].square().mean()).backward()
        gradients[method] = {n: p.grad for n, p in classifier.named_parameters() if p.grad is not None}
    assert gradients["decoder"].keys() == gradients["autograd"].keys()
    largest = max(float(g.abs().max()) for g in gradients["autograd"].values())
    for name, gradient in gradients["decoder"].items():
        difference = float((gradient - gradients["autograd"][name]).abs().max())
        assert difference < 1e-10 * largest, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("in_channels", "pooling"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_map_through_intensity_hinges_equals_autograd(size, in_channels, pooling):
    classifier = make_classifier(len(size), "none", True, in_channels, KNOTS, pooling)
    size = [pooling * extent + pooling - 1 for extent in size]  # the last cube is cut off
    x = torch.randn(2, in_channels, *size, dtype=torch.float64)
    maps = [AttributionNet(classifier, m).eval()(x).detach() for m in ("decoder", "autograd")]
    assert relative_difference(maps[0], maps[1]) < 1e-10


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", ["decoder", "autograd"])
@pytest.mark.parametrize("attributed", [[0, 2], [3, 1, 2], []])
def test_maps_of_some_images_are_those_of_all(norm, method, attributed):
    network = AttributionNet(make_classifier(2, norm, True, knots=KNOTS), method).train()
    x = torch.randn(4, 1, 27, 33, dtype=torch.float64)
    attributed = torch.tensor(attributed, dtype=torch.int64)
    left_out = [number for number in range(4) if number not in attributed]
    every, some = network(x), network(x, attributed)
    torch.testing.assert_close(some[attributed], every[attributed], rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(some[:, 1:], every[:, 1:])
    assert some[left_out, :1].isnan().all()


def test_map_equals_autograd_on_the_odd_model_grid():
    classifier = PatchGANClassifier(3, 1, (2, 2, 2, 2), norm="group").double()
    x = torch.randn(1, 1, 91, 109, 91, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = [AttributionNet(classifier, m).eval()(x) for m in ("decoder", "autograd")]
    assert maps[0].shape == (1, 2, 91, 109, 91)
    assert relative_difference(maps[0], maps[1]) < 1e-10


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", SIZES)
def test_gradients_with_some_images_are_those_of_a_loss_on_these(norm, size):
    x = torch.randn(4, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    attributed = torch.tensor([3, 1])
    gradients = []
    for asked in (None, attributed):
        classifier = make_classifier(len(size), norm, True)
        pred = AttributionNet(classifier).train()(x, asked)
        maps = pred[attributed, :1]
        (torch.nn.functional.softplus(maps / maps.detach().std()).mean() + pred[:, 1:].square().mean()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in classifier.parameters() if p.grad is not None]))
    assert relative_difference(gradients[1], gradients[0]) < 1e-12


def test_without_normalisation_the_layers_before_the_decoder_are_not_differentiated():
    """The map depends on them through signs alone, and biases act through nothing else: no gradient, not one of 0."""
    classifier = make_classifier(2, "none", True)
    _, attribution = classifier.forward_with_attribution(torch.randn(2, 1, 27, 33, dtype=torch.float64))
    attribution.square().sum().backward()
    assert all(block.conv.bias.grad is None and block.conv.weight.grad is not None for block in classifier.blocks)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", SIZES)
def test_channels_last_weights_give_the_same_map_and_gradients(norm, size):
    x = torch.randn(2, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for memory_format in (torch.contiguous_format, (torch.channels_last, torch.channels_last_3d)[len(size) - 2]):
        classifier = make_classifier(len(size), norm, True, knots=KNOTS).to(memory_format=memory_format)
        pred = AttributionNet(classifier).train()(x)
        pred.square().mean().backward()
        gradients = torch.cat([p.grad.flatten() for p in classifier.parameters() if p.grad is not None])
        results.append((pred.detach(), gradients))
    for found, expected in zip(*results, strict=True):
        assert relative_difference(found, expected) < 1e-12


def test_group_norm_takes_the_largest_divisor():
    assert make_norm("group", 12, 8).num_groups == 6


def test_unknown_norm_is_named():
    with pytest.raises(ValueError, match="'layer'"):
        make_norm("layer", 8, 8)


def test_batch_norm_refuses_inputs_without_spatial_axes():
    with pytest.raises(ValueError, match=r"\[2, 8\]"):
        BatchNorm(8)(torch.zeros(2, 8))
