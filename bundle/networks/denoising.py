"""Denoising autoencoder: what it takes away from an image, as it took away noise in training, is the anomaly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets import DynUNet
from torch.nn import functional as F

from bundle.networks.reconstruction import RECONSTRUCTION, ReconstructionNet

_LINEAR = {2: "bilinear", 3: "trilinear"}


class DenoisingNet(ReconstructionNet):
    """U-Net that removes coarse noise from healthy images.

    The loss finds the reconstruction itself under ``reconstruction``. The noise covers the brain alone.

    Args:
        image_size: size of the model's images, each axis a multiple of 2 for each level but the first.
        channels: channels of the U-Net's levels.
        noise_deviation: standard deviation of the noise before it is enlarged, in the unit of [0, 1].
        noise_cells: cells of the noise along each axis of an image.
        groups: groups of the normalisation.
        options: arguments of `ReconstructionNet`.

    Raises:
        ValueError: When ``image_size`` cannot be halved so often, or the noise is not positive.

    Source:
        Kascenas et al., MIDL 2022, written from the paper: a U-Net of depth 4 with 64 channels at first, noise of
        16 x 16 cells and standard deviation 0.2, enlarged to the image and shifted by a random amount.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        channels: Sequence[int] = (64, 128, 256, 512),
        noise_deviation: float = 0.2,
        noise_cells: int = 16,
        groups: int = 8,
        **options: Any,
    ) -> None:
        factor = 2 ** (len(channels) - 1)
        if any(size % factor for size in image_size):
            raise ValueError(f"each axis of image_size must be a multiple of {factor}, got {list(image_size)}.")
        if noise_deviation <= 0 or noise_cells < 1:
            raise ValueError(f"noise must be positive, got deviation {noise_deviation} and {noise_cells} cells.")
        halvings = len(channels) - 1
        model = DynUNet(
            spatial_dims=len(image_size),
            in_channels=1,
            out_channels=1,
            kernel_size=[3] * len(channels),
            strides=[1] + [2] * halvings,
            upsample_kernel_size=[2] * halvings,
            filters=channels,
            norm_name=("group", {"num_groups": groups}),
        )
        super().__init__(model, image_size, **options)
        self.noise_deviation = noise_deviation
        self.noise_cells = noise_cells

    def _objective(self, image: torch.Tensor, brain: torch.Tensor) -> dict[str, torch.Tensor]:
        noise = coarse_noise(image.shape, self.noise_cells, image.device) * self.noise_deviation
        return {RECONSTRUCTION: self.model(image + noise * brain)}

    def _reconstruct(self, image: torch.Tensor) -> torch.Tensor:
        reconstruction: torch.Tensor = self.model(image)
        return reconstruction


def coarse_noise(shape: Sequence[int], cells: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Draw Gaussian noise on a coarse grid, enlarge it linearly and shift each image's around by a random amount.

    Args:
        shape: shape of the noise, ``(B, C, *spatial)``.
        cells: points of the coarse grid along each axis.
        device: device of the noise.

    Shape:
        - output: ``shape``; the coarse grid's points have unit variance, and those between them less.
    """
    spatial = list(shape[2:])
    coarse = torch.randn(*shape[:2], *[cells] * len(spatial), device=device)
    noise = F.interpolate(coarse, size=spatial, mode=_LINEAR[len(spatial)], align_corners=False)
    axes = tuple(range(1, len(spatial) + 1))
    shifts = torch.stack([torch.randint(size, (shape[0],)) for size in spatial], dim=1).tolist()
    return torch.stack([one.roll(shift, axes) for one, shift in zip(noise, shifts, strict=True)])
