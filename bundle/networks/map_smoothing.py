"""Smooth attribution maps inside the network, so that an exported one returns the same maps."""

from __future__ import annotations

import torch
from monai.networks.layers.convutils import gaussian_1d
from torch import nn
from torch.nn import functional as F


class MapSmoothing(nn.Module):
    """Smooth every channel of a map with a Gaussian; beyond the border a map is 0.

    Between two knots of `bundle.networks.intensity_hinges` an attribution does not depend on the voxel's intensity, so
    neighbours of nearly the same intensity can be a step apart. A window of less than a voxel joins the steps.

    Sums of shifted maps, axis by axis: on a processor a convolution of one channel takes several times as long, and its
    derivative in training much longer still.

    Args:
        sigma: standard deviation, in voxels; the window ends at twice that.

    Shape:
        - input, output: ``(B, C, *spatial)``.

    Raises:
        ValueError: When ``sigma`` is not positive.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}.")
        window = gaussian_1d(torch.tensor(float(sigma)), truncated=2.0)
        self.window: list[float] = (window / window.sum()).tolist()

    def forward(self, attribution: torch.Tensor) -> torch.Tensor:
        """Return the smooth map."""
        radius = len(self.window) // 2
        for axis in range(2, attribution.dim()):
            size = attribution.shape[axis]
            margins = [0] * (2 * (attribution.dim() - axis))
            margins[-1] = radius
            margins[-2] = radius
            padded = F.pad(attribution, margins)
            attribution = self.window[0] * padded.narrow(axis, 0, size)
            for shift in range(1, len(self.window)):
                attribution = attribution + self.window[shift] * padded.narrow(axis, shift, size)
        return attribution
