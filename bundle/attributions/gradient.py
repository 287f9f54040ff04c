"""Gradient attribution: A(x) = dF/dx."""

from __future__ import annotations

import torch
from torch import nn

from bundle.attributions.base import Attribution
from bundle.conventions import split_prediction


class GradientAttribution(Attribution):
    """Read the input gradient of the logit from the prediction, where AttributionNet has already put it.

    Shape:
        As :py:class:`bundle.attributions.Attribution`.

    Source:
        Simonyan et al., 2014. Signed and local: neither the absolute value nor multiplied by the image.
    """

    def from_prediction(self, pred: torch.Tensor) -> torch.Tensor:
        """Return the attribution channels."""
        return split_prediction(pred)[0]

    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Run one forward pass and return the attribution channels."""
        return self.from_prediction(network(image))
