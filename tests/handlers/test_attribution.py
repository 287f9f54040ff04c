from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.networks.nets import DenseNet121
from torch import nn

from bundle.attributions import (
    Attribution,
    ExpectedGradientsAttribution,
    GradCAMAttribution,
    GradientAttribution,
    IntegratedGradientsAttribution,
)
from bundle.conventions import join_prediction
from bundle.handlers import AttributionHandler
from bundle.networks import AttributionNet


class Quadratic(nn.Module):
    """F(x) = sum of x², so A(x) = 2x; note in which modes it was run."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.modes.append(self.training)
        return join_prediction(2 * x, x.flatten(1).square().sum(1, keepdim=True))


class Autograd(Attribution):
    """Differentiate the logit."""

    def attribute(self, network, image):
        image = image.requires_grad_(True)
        return torch.autograd.grad(network(image)[:, -1].flatten(1)[:, 0].sum(), image)[0]


def evaluate(images, network, handler, mode="eval"):
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        DataLoader(Dataset([{"image": image} for image in images]), batch_size=len(images)),
        network,
        mode=mode,
        val_handlers=[handler],
    )
    evaluator.run()
    return evaluator.state.output


@pytest.mark.parametrize(
    ("mode", "modes"),
    [
        pytest.param("eval", [False, False], id="eval"),  # the gradient is in the prediction
        pytest.param("train", [True, False, False], id="train"),  # the prediction is not of eval mode
    ],
)
def test_adds_the_maps_before_decollation(mode, modes):
    images = torch.randn(3, 1, 4, 5, 6)
    network = Quadratic().train()
    handler = AttributionHandler(network, {"autograd": Autograd(), "gradient": GradientAttribution()})
    for image, output in zip(images, evaluate(images, network, handler, mode), strict=True):
        for key in ("attribution", "autograd", "gradient"):
            torch.testing.assert_close(torch.as_tensor(output[key]), 2 * image)
        torch.testing.assert_close(output["logit"], image.square().sum().reshape(1))
        assert output["pred"].shape == (2, 4, 5, 6)
    assert network.modes == modes and network.training


def test_a_prediction_of_another_network_is_not_taken():
    images, network = torch.randn(1, 1, 4, 5, 6), Quadratic()
    handler = AttributionHandler(network, {"gradient": GradientAttribution()})
    (output,) = evaluate(images, AttributionNet(nn.Sequential(nn.Flatten(), nn.Linear(120, 1))), handler)
    torch.testing.assert_close(output["gradient"], 2 * images[0])


def test_every_method_in_one_pass_over_a_densenet():
    torch.manual_seed(0)
    network = AttributionNet(DenseNet121(2, 1, 1, init_features=4, growth_rate=4, block_config=(1, 1))).eval()
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
    batch = torch.randn(2, 1, 40, 48)
    images = [MetaTensor(image, affine=affine) for image in batch]
    methods = {
        "gradient": GradientAttribution(),
        "integrated_gradients": IntegratedGradientsAttribution(4),
        "expected_gradients": ExpectedGradientsAttribution(Dataset([{"image": image} for image in images]), 4),
        "grad_cam": GradCAMAttribution(),
    }
    items = evaluate(images, network, AttributionHandler(network, methods))
    for name, method in methods.items():
        for expected, item in zip(method(network, batch), items, strict=True):
            torch.testing.assert_close(item[name].as_tensor(), expected)
            torch.testing.assert_close(item[name].affine, affine)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"\['ig'\] need a network, got None"):
        AttributionHandler(methods={"ig": GradientAttribution()})
    with pytest.raises(ValueError, match=r"got \['pred'\]"):
        AttributionHandler(Quadratic(), {"pred": GradientAttribution()})
