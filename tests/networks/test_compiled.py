"""A network and its map are one graph for torch.compile, which changes neither the map nor the gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.bundle import ConfigParser

from bundle.attributions import PathSampler
from bundle.networks import AttributionNet, PatchGANClassifier

pytestmark = pytest.mark.usefixtures("no_graphs_of_other_tests")

GRID = (40, 44, 36)
HEALTHY = torch.tensor([0, 2])


def make_patchgan(norm: str, sampler: PathSampler | None) -> AttributionNet:
    classifier = PatchGANClassifier(
        2, channels=(4, 8), strides=(2, 1, 1), norm=norm, norm_groups=2, intensity_knots=(-0.5, 0.5)
    )
    return AttributionNet(classifier, sampler=sampler)


def make_configured(use_checkpoint: bool) -> AttributionNet:
    """Make the network of the default training on a small grid, with an atlas that changes the images."""
    config = ConfigParser()
    config.read_config("configs/train.yaml")
    config.update({"grid_shape": GRID, "use_checkpoint": use_checkpoint})
    network: AttributionNet = config.get_parsed_content("network_def")
    network.atlas.fit(torch.randn(3, 1, *GRID, generator=torch.Generator().manual_seed(2)))
    return network


def step(make: Callable[[], AttributionNet], images: torch.Tensor, compiled: bool) -> dict[str, torch.Tensor]:
    """Return the maps of healthy images, all logits, and the gradients of a step of training."""
    torch.manual_seed(0)  # of the weights and of the sampler
    network = make().to(images.dtype).train()
    function = torch.compile(network, backend="aot_eager", fullgraph=True, disable=not compiled)
    pred = function(images, HEALTHY)
    maps, logits = pred[HEALTHY, :1], pred[:, 1:]
    ((maps / maps.detach().std()).exp().mean() + logits.square().mean()).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"maps": maps.detach(), "logits": logits.detach(), **gradients}


@pytest.mark.parametrize("norm", ["group", "instance", "batch", "none"])
@pytest.mark.parametrize("sampler", [None, PathSampler(0.25)], ids=["G", "IEG"])
def test_step_of_patchgan_is_that_without(norm, sampler):
    images = torch.randn(4, 1, 27, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected, found = (step(lambda: make_patchgan(norm, sampler), images, compiled) for compiled in (False, True))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("use_checkpoint", [False, True], ids=["kept", "checkpointed"])
def test_step_of_the_configured_network_is_that_without(use_checkpoint):
    images = torch.randn(4, 1, *GRID, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    images[:, :, :6] = 0  # background
    expected, found = (step(lambda: make_configured(use_checkpoint), images, compiled) for compiled in (False, True))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)
