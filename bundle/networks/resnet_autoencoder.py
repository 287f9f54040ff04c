"""The autoencoder of the reconstruction methods: a ResNet-18 encoder, a dense code and a residual decoder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv, Norm, Pool
from monai.networks.nets.resnet import ResNetBlock
from torch import nn

HALVINGS = 5
"""The encoder halves an image so many times, and the decoder doubles it as often."""


class ResNetEncoder(nn.Module):
    """ResNet-18 without the normalisation of its stem and without its head, randomly initialised.

    Args:
        spatial_dims: number of spatial axes.
        width: channels of the first of its four stages; each further one has twice as many.

    Shape:
        - input: ``(B, 1, *spatial)``, each axis a multiple of 32.
        - output: ``(B, 8 * width, *spatial / 32)``.
    """

    def __init__(self, spatial_dims: int = 2, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv[Conv.CONV, spatial_dims](1, width, kernel_size=7, stride=2, padding=3, bias=False),
            Pool[Pool.MAX, spatial_dims](kernel_size=3, stride=2, padding=1),
        )
        self.first = _stage(spatial_dims, width, width, stride=1)
        self.further = nn.Sequential(
            *(_stage(spatial_dims, width * factor, 2 * width * factor, stride=2) for factor in (1, 2, 4))
        )

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activations of the first stage, a quarter of the image's size."""
        activations: torch.Tensor = self.first(self.stem(x))
        return activations

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Encode images."""
        encoded: torch.Tensor = self.further(self.features(x))
        return encoded


class ResNetDecoder(nn.Module):
    """Five residual blocks that double the size, from a code to the logits of an image.

    Args:
        image_size: size of the image, each axis a multiple of 32.
        latent_size: length of the code, and channels of the map that it is spread to.
        width: channels of the encoder's first stage; the blocks have 4, 2, 1, 1/2 and 1/4 times as many.

    Shape:
        - input: ``(B, latent_size)``.
        - output: ``(B, 1, *image_size)``, logits of intensities in [0, 1].
    """

    def __init__(self, image_size: Sequence[int], latent_size: int = 32, width: int = 64) -> None:
        super().__init__()
        dims = len(image_size)
        self.coarsest = [latent_size, *coarsest_size(image_size)]
        self.spread = nn.Linear(latent_size, math.prod(self.coarsest))
        channels = [latent_size, 4 * width, 2 * width, width, width // 2, width // 4]
        self.blocks = nn.Sequential(*(_UpBlock(dims, *pair) for pair in itertools.pairwise(channels)))
        self.head = Conv[Conv.CONV, dims](channels[-1], 1, kernel_size=3, padding=1)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Decode codes."""
        logit: torch.Tensor = self.head(self.blocks(self.spread(code).reshape(-1, *self.coarsest)))
        return logit


class ResNetAutoencoder(nn.Module):
    """Autoencoder or variational autoencoder with a dense code.

    Args:
        image_size: size of the images, two or three axes, each a multiple of 32 (224 in the published code).
        latent_size: length of the code.
        width: channels of the encoder's first stage, a multiple of 4.
        variational: whether the encoder gives a normal distribution of codes instead of a code.

    Shape:
        - input: ``(B, 1, *image_size)``.
        - output: logits ``(B, 1, *image_size)``.

    Raises:
        ValueError: When an axis of ``image_size`` is no multiple of 32 or ``width`` no multiple of 4.

    Source:
        AE: Baur et al., MICCAI BrainLes 2018; VAE: Zimmerer et al., MICCAI 2019; both with the layers of the code
        published by Silva-Rodríguez et al., BMVC 2021, and its numbers of parameters at 224 x 224: 13.74 and 14.55
        million.
    """

    def __init__(
        self, image_size: Sequence[int], latent_size: int = 32, width: int = 64, variational: bool = False
    ) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(f"width must be a multiple of 4, got {width}.")
        self.encoder = ResNetEncoder(len(image_size), width)
        encoded = 8 * width * math.prod(coarsest_size(image_size))
        self.to_mean = nn.Linear(encoded, latent_size)
        self.to_log_variance = nn.Linear(encoded, latent_size) if variational else None
        self.decoder = ResNetDecoder(image_size, latent_size, width)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the codes of images, or the means and the logarithms of the variances of their distributions.

        Shape:
            - x: ``(B, 1, *image_size)``.
            - output: ``(B, latent_size)`` each; the second is None without ``variational``.
        """
        encoded = self.encoder(x).flatten(1)
        return self.to_mean(encoded), None if self.to_log_variance is None else self.to_log_variance(encoded)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruct images from their codes, or from the means of their distributions."""
        logit: torch.Tensor = self.decoder(self.encode(x)[0])
        return logit


class _UpBlock(nn.Module):
    """Nearest-neighbour doubling, two convolutions with ReLU and batch normalisation, and a convolved shortcut."""

    def __init__(self, spatial_dims: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        conv, norm = Conv[Conv.CONV, spatial_dims], Norm[Norm.BATCH, spatial_dims]
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.residual = nn.Sequential(
            conv(channels_in, channels_out, kernel_size=3, padding=1),
            nn.ReLU(),
            norm(channels_out),
            conv(channels_out, channels_out, kernel_size=3, padding=1),
            nn.ReLU(),
            norm(channels_out),
        )
        self.shortcut = conv(channels_in, channels_out, kernel_size=3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        doubled = self.enlarge(x)
        result: torch.Tensor = self.residual(doubled) + self.shortcut(doubled)
        return result


def coarsest_size(image_size: Sequence[int]) -> list[int]:
    """Return the size of the encoder's last map.

    Raises:
        ValueError: When an axis of ``image_size`` is no multiple of 32.
    """
    if any(size < 1 or size % 2**HALVINGS for size in image_size):
        raise ValueError(f"each axis of image_size must be a multiple of {2**HALVINGS}, got {list(image_size)}.")
    return [size // 2**HALVINGS for size in image_size]


def _stage(spatial_dims: int, channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """Return two residual blocks; the first one's shortcut is convolved where it changes size or channels."""
    downsample = None
    if stride > 1 or channels_in != channels_out:
        downsample = nn.Sequential(
            Conv[Conv.CONV, spatial_dims](channels_in, channels_out, kernel_size=1, stride=stride, bias=False),
            Norm[Norm.BATCH, spatial_dims](channels_out),
        )
    return nn.Sequential(
        ResNetBlock(channels_in, channels_out, spatial_dims, stride, downsample),
        ResNetBlock(channels_out, channels_out, spatial_dims),
    )
