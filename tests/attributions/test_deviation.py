from __future__ import annotations

import pytest
import torch

from bundle.attributions import HealthyDeviation
from bundle.networks import AttributionNet, HealthyAtlas, PatchGANClassifier

SHAPE = (20, 22)


def test_is_what_the_atlas_returns():
    network = AttributionNet(PatchGANClassifier(2, 1, (4, 4), (2, 2, 1)), atlas=HealthyAtlas(SHAPE)).eval()
    network.atlas.fit(3.0 + 2.0 * torch.randn(20, 1, *SHAPE, generator=torch.Generator().manual_seed(0)))
    image = torch.full((1, 1, *SHAPE), 7.0)
    image[..., 0] = 0.0
    found = HealthyDeviation()(network, image)
    expected = (7.0 - network.atlas.mean) / network.atlas.deviation
    torch.testing.assert_close(found[..., 1:], expected[..., 1:])
    assert found[..., 0].eq(0).all()


def test_a_network_without_atlas_is_refused():
    network = AttributionNet(PatchGANClassifier(2, 1, (4, 4), (2, 2, 1)))
    with pytest.raises(ValueError, match="needs a network with a healthy atlas, got AttributionNet without one"):
        HealthyDeviation()(network, torch.zeros(1, 1, *SHAPE))
