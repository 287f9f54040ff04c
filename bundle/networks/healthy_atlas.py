"""What healthy brains look like at each place, and how far an image is from it."""

# No `from __future__ import annotations` here: TorchScript cannot read string annotations.
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from monai.networks.layers import GaussianFilter
from monai.utils import convert_to_tensor
from torch import nn
from tqdm import tqdm

from bundle.conventions import IMAGE


class HealthyAtlas(nn.Module):
    """Measure every voxel in standard deviations from the mean of healthy images at its place.

    The bright rim of ventricles or a dark sulcus is then no deviation where healthy brains have them, and a lesion is
    one where they do not. The images must share one space, such as MNI152: the mean and the deviation are taken voxel
    by voxel. Until it is fitted, the atlas leaves images as they are. Both are kept with a network's weights.

    Args:
        shape: voxels of the grid that the images share.
        in_channels: channels of the images.

    Shape:
        - input, output: ``(B, in_channels, *shape)``. Exact zeros, the background, stay zeros.

    Raises:
        ValueError: In `forward`, when the images have another grid.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, shape: Sequence[int], in_channels: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, in_channels, *shape))
        self.register_buffer("deviation", torch.ones(1, in_channels, *shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the deviation of ``x`` from healthy images, in their standard deviations."""
        if x.shape[1:] != self.mean.shape[1:]:
            raise ValueError(
                f"images must be on the grid of the healthy atlas, {list(self.mean.shape[1:])}, got {list(x.shape[1:])}"
            )
        deviation = (x - self.mean.to(x.dtype)) / self.deviation.to(x.dtype)
        return torch.where(x != 0, deviation, torch.zeros_like(x))

    @torch.jit.unused
    def fit(self, images: Iterable[torch.Tensor], smoothing: float = 1.0, min_deviation: float = 0.5) -> None:
        """Take the mean and the standard deviation from healthy images, over those that have brain at a place.

        Args:
            images: healthy images, ``(in_channels, *shape)`` each, normalised as those of `forward` are.
            smoothing: standard deviation, in voxels, of the Gaussian window that a place's values are taken from.
            min_deviation: smallest standard deviation, in units of the images.

        Raises:
            ValueError: When there is no image.
        """
        count, total, squares = (torch.zeros_like(self.mean, dtype=torch.float64) for _ in range(3))
        for image in images:
            image = convert_to_tensor(image, track_meta=False).to(count)[None]
            count += image != 0
            total += image
            squares += image**2
        if not count.any():
            raise ValueError("a healthy atlas needs at least one healthy image that is not empty, got none.")
        window = GaussianFilter(self.mean.dim() - 2, smoothing, truncated=3.0).to(count)
        count, total, squares = window(count), window(total), window(squares)
        count = count.clamp(min=torch.finfo(torch.float32).eps)
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0.0)
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp(min=min_deviation))


def fit_atlas(network: nn.Module, images: Sequence[Mapping[str, Any]]) -> None:
    """Fit the atlas of a network, with a progress bar; for a network without one no image is read.

    Args:
        network: AttributionNet, or another network.
        images: dataset of healthy images, each under ``image``.
    """
    atlas = getattr(network, "atlas", None)
    if isinstance(atlas, HealthyAtlas):
        atlas.fit(item[IMAGE] for item in tqdm(images, desc="healthy atlas", unit="image"))
