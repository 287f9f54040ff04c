"""The contract of attribution methods at inference."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class Attribution(ABC):
    """Explain the image logit of a network voxel by voxel.

    A method overrides :py:meth:`attribute` and nothing else. The caller decides on the mode of the network and on
    gradients: :py:class:`bundle.handlers.AttributionHandler` calls every method in eval mode with gradients enabled.

    Shape:
        - image: ``(B, C, *spatial)``, z-scored intensity.
        - output: ``(B, C, *spatial)``, logit per unit of intensity, without a graph; positive speaks for pathology.

    Raises:
        ValueError: When the image has no spatial axis, or the method returned another shape than the image's.
    """

    def __call__(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Return the attribution map of ``image`` under ``network``, which returns predictions as AttributionNet."""
        if image.dim() < 3:
            raise ValueError(
                f"an image must have shape (B, C, *spatial), got {tuple(image.shape)}. Add batch and channel axes."
            )
        attribution = self.attribute(network, image.detach())
        if attribution.shape != image.shape:
            raise ValueError(
                f"{type(self).__name__} must return the image's shape {tuple(image.shape)}, got "
                f"{tuple(attribution.shape)}. Correct its attribute method."
            )
        return attribution.detach()

    @abstractmethod
    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Compute the map; ``image`` is detached."""
