from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import DenseNet121

from bundle.attributions import PathSampler
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
@pytest.mark.parametrize("knots", [(), (0.0, 2.0)], ids=["plain", "hinges"])
def test_scripted_network_gives_the_same_map(norm, knots):
    torch.manual_seed(0)
    network = AttributionNet(PatchGANClassifier(3, 1, (4, 4, 8, 8), norm=norm, intensity_knots=knots)).eval()
    scripted = torch.jit.script(network)
    x = torch.randn(2, 1, 33, 26, 37)
    with torch.no_grad():
        torch.testing.assert_close(scripted(x), network(x))


SIZES = [pytest.param((40, 48), id="2d"), pytest.param((32, 26, 30), id="3d")]


def sampled_network(spatial_dims: int, norm: str, method: str, points: torch.Tensor) -> AttributionNet:
    """Make a network in training mode that takes the attribution at given points, with weights that matter."""
    torch.manual_seed(0)
    classifier = PatchGANClassifier(spatial_dims, 1, (4, 4, 4, 4), norm=norm, norm_groups=2).double()
    for parameter in classifier.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return AttributionNet(classifier, method, sampler=lambda x: points)


def images_and_points(size: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.randn(2, 3, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return both[0], both[1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("method", ["decoder", "autograd"])
def test_sampled_attribution_is_the_gradient_at_the_points(size, norm, method):
    x, points = images_and_points(size)
    network = sampled_network(len(size), norm, method, points).train()
    attribution, logit = split_prediction(network(x))
    torch.testing.assert_close(logit[:, 0], network.classifier(x).flatten(1).mean(1))
    leaf = points.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(network.classifier(leaf).flatten(1).mean(1).sum(), leaf)
    torch.testing.assert_close(attribution, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_sampled_decoder_equals_double_backpropagation(size, norm):
    x, points = images_and_points(size)
    maps, gradients = {}, {}
    for method in ("decoder", "autograd"):
        network = sampled_network(len(size), norm, method, points).train()
        attribution, logit = split_prediction(network(x))
        scaled = attribution / attribution.detach().square().mean().sqrt()
        (torch.nn.functional.softplus(scaled).mean() + logit.square().mean()).backward()
        maps[method] = attribution.detach()
        gradients[method] = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    torch.testing.assert_close(maps["decoder"], maps["autograd"], rtol=0, atol=1e-10)
    largest = max(float(g.abs().max()) for g in gradients["autograd"].values())
    torch.testing.assert_close(gradients["decoder"], gradients["autograd"], rtol=0, atol=1e-10 * largest)


def test_evaluation_takes_the_attribution_at_the_image():
    x, points = images_and_points((40, 48))
    network = sampled_network(2, "group", "auto", points).eval()
    torch.testing.assert_close(network(x), AttributionNet(network.classifier).eval()(x), rtol=0, atol=0)


def test_sampler_that_returns_the_image_changes_nothing():
    x, _ = images_and_points((40, 48))
    network = sampled_network(2, "batch", "auto", x).train()
    torch.testing.assert_close(network(x), AttributionNet(network.classifier).train()(x))


def test_scripted_network_with_a_sampler_evaluates():
    x, points = images_and_points((40, 48))
    network = sampled_network(2, "group", "auto", points).eval()
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(x), network(x))


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize("method", ["decoder", "autograd"])
@pytest.mark.parametrize("attributed", [[2, 1], []])
def test_sampled_maps_of_some_images_are_those_of_all(norm, method, attributed):
    x, points = images_and_points((40, 48))
    attributed = torch.tensor(attributed, dtype=torch.int64)
    left_out = [number for number in range(3) if number not in attributed]
    network = sampled_network(2, norm, method, points).train()
    passed = []
    network.classifier.blocks[0].conv.register_forward_pre_hook(lambda module, inputs: passed.append(len(inputs[0])))
    every = network(x)
    assert sorted(passed) == [3, 3]
    passed.clear()
    some = network(x, attributed)
    torch.testing.assert_close(some[attributed], every[attributed], rtol=1e-12, atol=1e-15)
    assert some[left_out, :1].isnan().all()
    # The points of the others are left out, except where their statistics matter.
    assert sorted(passed) == ([3, 3] if norm == "batch" else [len(attributed), 3])


@pytest.mark.parametrize("norm", ["group", "none"])
def test_gradients_of_some_sampled_images_are_those_of_all(norm):
    x, points = images_and_points((40, 48))
    attributed = torch.tensor([2, 1])
    gradients = []
    for asked in (None, attributed):
        network = sampled_network(2, norm, "decoder", points).train()
        pred = network(x, asked)
        maps = pred[attributed, :1]
        (torch.nn.functional.softplus(maps / maps.detach().std()).mean() + pred[:, 1:].square().mean()).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-14)


def test_draws_do_not_depend_on_the_maps_that_are_wanted():
    network = AttributionNet(sampled_network(2, "group", "auto", torch.empty(0)).classifier, sampler=PathSampler(0.25))
    x, _ = images_and_points((40, 48))
    preds = []
    for attributed in (None, torch.tensor([0, 2])):
        torch.manual_seed(5)
        preds.append(network.train()(x, attributed)[[0, 2]])
    torch.testing.assert_close(preds[1], preds[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_prediction_of_a_meta_tensor_keeps_its_metadata(training):
    network = AttributionNet(PatchGANClassifier(2, 1, (4, 4, 4, 4))).train(training)
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64))
    x = MetaTensor(torch.randn(2, 1, 40, 48), affine=affine, meta={"filename_or_obj": "image.nii"})
    types = []
    network.classifier.blocks[1].conv.register_forward_pre_hook(lambda module, inputs: types.append(type(inputs[0])))
    pred = network(x)
    assert isinstance(pred, MetaTensor) and pred.meta["filename_or_obj"] == "image.nii"
    torch.testing.assert_close(pred.affine, affine)
    torch.testing.assert_close(pred.as_tensor(), network(x.as_tensor()))
    assert types[0] is torch.Tensor  # without it, every operation of the network would copy the metadata
    pred.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="'magic'"):
        AttributionNet(PatchGANClassifier(2, 1, (2, 2, 2, 2)), "magic")


def test_decoder_of_a_classifier_without_one_is_refused():
    with pytest.raises(ValueError, match="LinearClassifier has no attribution decoder"):
        AttributionNet(LinearClassifier(torch.ones(1, 4, 4)), "decoder")
