"""The deviation from healthy images alone: what a map is worth without a classifier."""

from __future__ import annotations

import torch
from torch import nn

from bundle.attributions.base import Attribution
from bundle.attributions.common import classifier_input
from bundle.networks import AttributionNet, HealthyAtlas


class HealthyDeviation(Attribution):
    """Return how many healthy standard deviations each voxel is above the healthy mean at its place.

    No attribution of a decision but the baseline of one: a network with a :py:class:`bundle.networks.HealthyAtlas`
    attributes its logit to these deviations, and its map has to rank voxels better than they do.

    Shape:
        As :py:class:`bundle.attributions.Attribution`; in healthy standard deviations.

    Raises:
        ValueError: When the network has no healthy atlas.
    """

    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Run the atlas alone."""
        if not (isinstance(network, AttributionNet) and isinstance(network.atlas, HealthyAtlas)):
            raise ValueError(
                f"a deviation from healthy images needs a network with a healthy atlas, got {type(network).__name__} "
                "without one. Leave this score out."
            )
        return classifier_input(network, image)
