from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from torch import nn

from bundle.attributions import Attribution, GradientAttribution
from bundle.conventions import join_prediction
from bundle.handlers import AttributionHandler


class Quadratic(nn.Module):
    """F(x) = sum of x², so A(x) = 2x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return join_prediction(2 * x, x.flatten(1).square().sum(1, keepdim=True))


class Autograd(Attribution):
    """Differentiate the logit; note the mode that the network was in."""

    mode: bool | None = None

    def attribute(self, network, image):
        self.mode = network.training
        image = image.requires_grad_(True)
        return torch.autograd.grad(network(image)[:, -1].flatten(1)[:, 0].sum(), image)[0]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_adds_the_maps_before_decollation(mode):
    images = torch.randn(3, 1, 4, 5, 6)
    network, method = Quadratic(), Autograd()
    handler = AttributionHandler(network, {"autograd": method, "gradient": GradientAttribution()})
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        DataLoader(Dataset([{"image": image} for image in images]), batch_size=3),
        network,
        mode=mode,
        val_handlers=[handler],
    )
    network.train()
    evaluator.run()
    for image, output in zip(images, evaluator.state.output, strict=True):
        for key in ("attribution", "autograd", "gradient"):
            torch.testing.assert_close(torch.as_tensor(output[key]), 2 * image)
        torch.testing.assert_close(output["logit"], image.square().sum().reshape(1))
        assert output["pred"].shape == (2, 4, 5, 6)
    assert method.mode is False and network.training


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"\['ig'\] need a network, got None"):
        AttributionHandler(methods={"ig": GradientAttribution()})
    with pytest.raises(ValueError, match=r"got \['pred'\]"):
        AttributionHandler(Quadratic(), {"pred": GradientAttribution()})
