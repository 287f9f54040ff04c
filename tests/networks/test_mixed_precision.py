"""Mixed precision: bfloat16 keeps the map and the training finite at the paper's weight, float16 is refused."""

from __future__ import annotations

import pytest
import torch

from bundle.attributions import PathSampler
from bundle.losses import AttributionConstraintLoss
from bundle.networks import AttributionNet, PatchGANClassifier

LABEL = torch.tensor([0, 1, 0, 1])


def make_network(norm: str, knots: tuple[float, ...], **options: object) -> AttributionNet:
    torch.manual_seed(0)
    pooling = 2 if knots else 1
    classifier = PatchGANClassifier(
        3, 1, (16, 32, 64), (2, 2, 1, 1), norm=norm, intensity_knots=knots, intensity_pooling=pooling
    )
    return AttributionNet(classifier, **options).train()


def images() -> torch.Tensor:
    return torch.randn(4, 1, 40, 44, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", ["group", "instance", "batch", "none"])
@pytest.mark.parametrize("knots", [(), (-1.0, 0.0, 1.0)], ids=["plain", "hinges"])
@pytest.mark.parametrize("alpha", [1e8, 1.0])
def test_bfloat16_is_close_to_float32(norm, knots, alpha):
    network, x = make_network(norm, knots), images()
    loss = AttributionConstraintLoss(alpha, sharpness=None if alpha > 1 else 8.0)
    maps, gradients = [], []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            pred = network(x, (LABEL == 0).nonzero().flatten())
            value = loss(pred, LABEL)
        assert pred.dtype == value.dtype == torch.float32 and value.isfinite()
        value.backward()
        maps.append(pred[LABEL == 0, 0].detach().flatten())
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    # Signs of activations near 0 turn where the forward pass rounds them: voxels of random images see that most.
    assert torch.linalg.vector_norm(maps[1] - maps[0]) < 0.12 * torch.linalg.vector_norm(maps[0])
    assert gradients[1].isfinite().all()
    assert torch.cosine_similarity(gradients[1], gradients[0], dim=0) > 0.98


@pytest.mark.parametrize(
    "options", [{}, {"sampler": PathSampler(0.25)}, {"method": "autograd"}], ids=["g", "ieg", "any"]
)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_float16_is_refused(options, training):
    network = make_network("none", (), **options).train(training)
    with (
        torch.autocast("cpu", dtype=torch.float16),
        pytest.raises(ValueError, match=r"got torch\.float16\. Use bfloat16"),
    ):
        network(images())
