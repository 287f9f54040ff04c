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


def make_classifier(spatial_dims: int, norm: str, norm_before_activation: bool) -> PatchGANClassifier:
    """Make a narrow float64 classifier with weights large enough for every term to count."""
    torch.manual_seed(0)
    classifier = PatchGANClassifier(
        spatial_dims, 1, (4, 8, 8, 8), norm=norm, norm_groups=4, norm_before_activation=norm_before_activation
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


def test_map_equals_autograd_on_the_odd_model_grid():
    classifier = PatchGANClassifier(3, 1, (2, 2, 2, 2), norm="group").double()
    x = torch.randn(1, 1, 91, 109, 91, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = [AttributionNet(classifier, m).eval()(x) for m in ("decoder", "autograd")]
    assert maps[0].shape == (1, 2, 91, 109, 91)
    assert relative_difference(maps[0], maps[1]) < 1e-10


def test_group_norm_takes_the_largest_divisor():
    assert make_norm("group", 12, 8).num_groups == 6


def test_unknown_norm_is_named():
    with pytest.raises(ValueError, match="'layer'"):
        make_norm("layer", 8, 8)


def test_batch_norm_refuses_inputs_without_spatial_axes():
    with pytest.raises(ValueError, match=r"\[2, 8\]"):
        BatchNorm(8)(torch.zeros(2, 8))
