"""The contract of attribution methods at inference."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import nn


class Attribution(ABC):
    """Explain the image logit of a network voxel by voxel.

    A method overrides :py:meth:`attribute`, and :py:meth:`from_prediction` where the prediction already holds its map.
    The caller decides on the mode of the network: :py:class:`bundle.handlers.AttributionHandler` calls every method in
    eval mode. A method switches gradients on and off as it needs.

    Shape:
        - image: ``(B, C, *spatial)``, normalised intensity.
        - pred: ``(B, C + 1, *spatial)``, what the network returned for the image, or None when it has not run.
        - output: ``(B, C, *spatial)``, logit per unit of intensity unless the method says otherwise, of the image's
          type and without a graph; positive speaks for pathology.

    Raises:
        ValueError: When the image has no spatial axis, or the method returned another shape than the image's.
    """

    def __call__(self, network: nn.Module, image: torch.Tensor, pred: torch.Tensor | None = None) -> torch.Tensor:
        """Return the attribution map of ``image`` under ``network``, which returns predictions as AttributionNet."""
        if image.dim() < 3:
            raise ValueError(
                f"an image must have shape (B, C, *spatial), got {tuple(image.shape)}. Add batch and channel axes."
            )
        attribution = None if pred is None else self.from_prediction(pred)
        if attribution is None:
            attribution = self.attribute(network, convert_to_tensor(image.detach(), track_meta=False))
        if attribution.shape != image.shape:
            raise ValueError(
                f"{type(self).__name__} must return the image's shape {tuple(image.shape)}, got "
                f"{tuple(attribution.shape)}. Correct its attribute method."
            )
        return convert_to_dst_type(attribution.detach(), image)[0]

    def from_prediction(self, pred: torch.Tensor) -> torch.Tensor | None:
        """Read the map from a prediction, without running the network; None when it is not there."""
        return None

    @abstractmethod
    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Compute the map; ``image`` is detached and carries no metadata."""
