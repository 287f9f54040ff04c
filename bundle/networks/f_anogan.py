"""f-AnoGAN: a generator of healthy images, a critic, and an encoder that inverts the generator."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.layers.factories import Conv
from torch import nn

from bundle.networks.reconstruction import RECONSTRUCTION, ReconstructionNet
from bundle.networks.resnet_autoencoder import ResNetAutoencoder

# Beside the keys of bundle.networks.reconstruction: what the critic sees in target and reconstruction.
FEATURES = "features"
RECONSTRUCTED_FEATURES = "reconstructed_features"

_HALVINGS = 6
_SLOPE = 0.2


class Critic(nn.Module):
    """Six strided convolutions with LeakyReLU, a mean over space and a linear unit.

    Args:
        spatial_dims: number of spatial axes.
        width: four times the channels of the first convolution; each further one has twice as many.

    Shape:
        - input: ``(B, 1, *spatial)``, at least 64 along every axis.
        - output: ``(B, 1)``, unbounded: higher is more real.

    Source:
        Layers of the code published by Silva-Rodríguez et al., BMVC 2021, without its batch normalisation: the
        gradient penalty belongs to single images (Gulrajani et al., NeurIPS 2017, section 4), and a normalisation of
        each image hides its brightness, so that the generator learns none. In its place the convolutions have biases:
        without any, the judgement of an image grows in proportion to its brightness, and black and white images in
        turn pass for grey ones.
    """

    def __init__(self, spatial_dims: int = 2, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = [1, *(width * 2**index // 4 for index in range(_HALVINGS))]
        conv = Conv[Conv.CONV, spatial_dims]
        for channels_in, channels_out in itertools.pairwise(channels):
            layers += [
                conv(channels_in, channels_out, kernel_size=4, stride=2, padding=1),
                nn.LeakyReLU(_SLOPE),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judge images."""
        score: torch.Tensor = self.head(self.features(x).flatten(2).mean(2))
        return score


class FAnoGANNet(ReconstructionNet):
    """Reconstruct an image by the generator from the code that the encoder finds for it.

    As published, generator and critic are trained first, see `bundle.handlers.WassersteinUpdate`, and stay fixed while
    the encoder learns from the residual of the image and of the critic's features (izi_f). The loss finds the
    reconstruction itself under ``reconstruction``, ``features`` and ``reconstructed_features``.

    Args:
        image_size: size of the model's images, each axis a multiple of 32 and at least 64.
        latent_size: length of the code.
        width: channels of the encoder's first stage; 64 is the published width.
        joint: whether generator and encoder learn together, so that they stay in training mode (a simplification).
        options: arguments of `ReconstructionNet`.

    Raises:
        ValueError: When an axis of ``image_size`` is below 64.

    Source:
        Schlegl et al., Medical Image Analysis 54, 2019. Silva-Rodríguez et al., BMVC 2021, train jointly; their
        published feature term reads the last image of a batch alone, here it is that of all.
    """

    model: ResNetAutoencoder

    def __init__(
        self, image_size: Sequence[int], latent_size: int = 32, width: int = 64, joint: bool = False, **options: Any
    ) -> None:
        if min(image_size) < 2**_HALVINGS:
            raise ValueError(f"each axis of image_size must be at least {2**_HALVINGS}, got {list(image_size)}.")
        super().__init__(ResNetAutoencoder(image_size, latent_size, width), image_size, **options)
        self.critic = Critic(len(image_size), width)
        self.latent_size = latent_size
        self.joint = joint

    @property
    def generator(self) -> nn.Module:
        """From codes to logits of images."""
        return self.model.decoder

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the encoder, all but those of generator and critic."""
        return [*self.model.encoder.parameters(), *self.model.to_mean.parameters()]

    def generate(self, count: int, device: torch.device | str) -> torch.Tensor:
        """Return images in [0, 1] of random codes.

        Shape:
            - output: ``(count, 1, *image_size)``.
        """
        return torch.sigmoid(self.generator(torch.randn(count, self.latent_size, device=device)))

    def train(self, mode: bool = True) -> FAnoGANNet:
        """Set the mode; while the encoder learns alone, generator and critic stay in evaluation mode."""
        super().train(mode)
        if not self.joint:
            self.generator.eval()
            self.critic.eval()
        return self

    def _objective(self, image: torch.Tensor, brain: torch.Tensor) -> dict[str, torch.Tensor]:
        reconstruction = self._reconstruct(image)
        return {
            RECONSTRUCTION: reconstruction,
            FEATURES: self.critic.features(image),
            RECONSTRUCTED_FEATURES: self.critic.features(reconstruction),
        }

    def _reconstruct(self, image: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.model(image))
