"""Anomaly detection by reconstruction, behind the prediction tensor of the classifiers.

A network that has learned to reconstruct healthy images reconstructs a lesion badly, so the residual is an anomaly map.
There is no classifier: the residual takes the place of the attribution and an image score that of the logit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.networks.layers.simplelayers import median_filter
from torch import nn

from bundle.conventions import join_prediction
from bundle.networks.reconstruction_grid import (
    brain_mask,
    erode,
    fit,
    restore,
    to_slices,
    to_volumes,
    unit_intensity,
)
from bundle.networks.resnet_autoencoder import ResNetAutoencoder

# Keys of what a training loss is given.
TARGET = "target"  # image in [0, 1] that is to be reconstructed, (B, 1, *image_size)
BRAIN = "brain"  # its brain mask, bool, of the same shape
RECONSTRUCTION = "reconstruction"  # logits of the reconstruction, or the reconstruction itself: see each network
MEAN = "mean"  # of the distribution of codes, (B, latent_size)
LOG_VARIANCE = "log_variance"  # the logarithm of its variance, (B, latent_size)

SCORINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"absolute": torch.abs, "signed": lambda x: x}
"""How a residual becomes a score: what is too dark counts as well, or only what is too bright."""

IMAGE_SCORES = ("mean", "deviation")
_LEAST_BRAIN = 0.05  # share of a slice that must be brain for it to be trained on
_SLICES_AT_ONCE = 32


class ReconstructionNet(nn.Module):
    """Score images by what a network trained on healthy ones makes of them.

    Images are normalised as for the classifiers, with zeros outside the brain. Here they are brought to [0, 1] and to
    ``image_size``. In training mode the network returns what its loss needs; in evaluation mode the prediction tensor:
    the score inside the eroded brain and 0 outside, and the image score, which is no probability and has no natural
    zero. A network of slices takes volumes slice by slice along the last axis.

    Args:
        model: network that reconstructs.
        image_size: its size of images, 2 axes for slices, 3 for volumes; larger images are shrunk.
        intensity_range: normalised intensities that become 0 and 1.
        scoring: ``"absolute"`` or ``"signed"``.
        erosion: edge of the square or cube that the brain is eroded by, in voxels of the image, odd.
        median: edge of a median filter of the map, in voxels of ``image_size``, odd; 1 leaves the map.
        image_score: the map's ``"mean"`` or its standard ``"deviation"`` over the eroded brain.
        slices_per_volume: slices of a volume that a training step takes.

    Shape:
        - input: ``(B, 1, *spatial)``.
        - output: ``(B, 2, *spatial)``, see `bundle.conventions.split_prediction`; in training mode a mapping.

    Raises:
        ValueError: When an argument is not as above, or an image has several channels or other axes.
    """

    def __init__(
        self,
        model: nn.Module,
        image_size: Sequence[int],
        *,
        intensity_range: Sequence[float] = (-8.0, 8.0),
        scoring: str = "absolute",
        erosion: int = 3,
        median: int = 1,
        image_score: str = "mean",
        slices_per_volume: int = 8,
    ) -> None:
        super().__init__()
        if len(image_size) not in (2, 3):
            raise ValueError(f"image_size must have 2 or 3 axes, got {list(image_size)}.")
        if len(intensity_range) != 2 or not intensity_range[0] < intensity_range[1]:
            raise ValueError(f"intensity_range must be two rising intensities, got {list(intensity_range)}.")
        if scoring not in SCORINGS:
            raise ValueError(f"scoring must be one of {', '.join(SCORINGS)}, got {scoring!r}.")
        if image_score not in IMAGE_SCORES:
            raise ValueError(f"image_score must be one of {', '.join(IMAGE_SCORES)}, got {image_score!r}.")
        for name, size in (("erosion", erosion), ("median", median)):
            if size < 1 or size % 2 == 0:
                raise ValueError(f"{name} must be an odd number of voxels, got {size}.")
        if slices_per_volume < 1:
            raise ValueError(f"slices_per_volume must be at least 1, got {slices_per_volume}.")
        self.model = model
        self.image_size = list(image_size)
        self.intensity_range = tuple(intensity_range)
        self.scoring = scoring
        self.erosion = erosion
        self.median = median
        self.image_score = image_score
        self.slices_per_volume = slices_per_volume

    def forward(self, x: torch.Tensor) -> Any:
        """Return the prediction tensor of images, or in training mode what the loss needs."""
        if self.training:
            return self.training_output(x)
        pred = self._predict(_plain(x))
        return MetaTensor(pred).copy_meta_from(x) if isinstance(x, MetaTensor) else pred

    def training_output(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what the training loss needs; in evaluation mode, for a loss on validation images."""
        image, brain = self.training_images(x)
        return {TARGET: image, BRAIN: brain, **self._objective(image, brain)}

    def training_images(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images, or slices of volumes, as the model takes them, and their brains.

        Shape:
            - x: ``(B, 1, *spatial)``.
            - output: ``(N, 1, *image_size)`` each, with N = B unless ``x`` are volumes before a network of slices.
        """
        x = _plain(x)
        return self._prepare(self._choose_slices(x) if self._takes_slices_of(x) else x)

    def reconstruct(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images of the network's dimension as it sees them, and its reconstructions, both in [0, 1].

        Shape:
            - x, outputs: ``(B, 1, *spatial)``.
        """
        x = _plain(x)
        image, _ = self._prepare(x)
        return restore(image, x.shape[2:]), restore(self._reconstruct(image), x.shape[2:])

    def _objective(self, image: torch.Tensor, brain: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what the loss needs beside target and brain."""
        raise NotImplementedError

    def _reconstruct(self, image: torch.Tensor) -> torch.Tensor:
        """Return reconstructions in [0, 1]."""
        raise NotImplementedError

    def _score(self, image: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
        """Return anomaly scores of voxels, on the grid of the model."""
        return SCORINGS[self.scoring](image - self._reconstruct(image))

    def _prepare(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and brain masks as the model takes them."""
        brain = brain_mask(x)
        image = fit(unit_intensity(x, brain, self.intensity_range), self.image_size)
        return image, fit(brain.to(x.dtype), self.image_size) >= 0.5

    def _predict(self, x: torch.Tensor) -> torch.Tensor:
        if self._takes_slices_of(x):
            maps, inside = (to_volumes(part, len(x)) for part in self._maps(to_slices(x)))
        else:
            maps, inside = self._maps(x)
        return join_prediction(maps, self._image_scores(maps, inside))

    def _maps(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the maps of images and the eroded brains that they are kept in."""
        maps, masks = [], []
        for part in x.split(_SLICES_AT_ONCE):
            inside = erode(brain_mask(part), self.erosion)
            score = self._score(*self._prepare(part))
            if self.median > 1:
                score = median_filter(score, self.median, len(self.image_size))
            maps.append(restore(score, part.shape[2:]) * inside)
            masks.append(inside)
        return torch.cat(maps), torch.cat(masks)

    def _image_scores(self, maps: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        weights = inside.to(maps.dtype).flatten(1)
        count = weights.sum(1, keepdim=True).clamp_min(1.0)
        values = maps.flatten(1)
        mean = (values * weights).sum(1, keepdim=True) / count
        if self.image_score == "mean":
            return mean
        return (((values - mean).square() * weights).sum(1, keepdim=True) / count).sqrt()

    def _takes_slices_of(self, x: torch.Tensor) -> bool:
        """Check images and say whether they are volumes before a network of slices."""
        axes = x.dim() - 2
        if x.shape[1] != 1 or axes not in (len(self.image_size), 3):
            raise ValueError(
                f"images must have one channel and {len(self.image_size)} or 3 spatial axes, got shape "
                f"{tuple(x.shape)}. Use FLAIR alone, and an image_size with as many axes."
            )
        return axes > len(self.image_size)

    def _choose_slices(self, x: torch.Tensor) -> torch.Tensor:
        """Return slices of volumes with enough brain: random ones in training mode, else evenly spaced ones."""
        chosen = []
        for volume in x.split(1):
            slices = to_slices(volume)
            share = (slices != 0).flatten(1).double().mean(1)
            usable = (share > min(_LEAST_BRAIN, float(share.max()) / 2)).nonzero().flatten()
            if self.training:
                order = torch.randint(len(usable), (self.slices_per_volume,)).to(usable.device)
            else:
                order = torch.linspace(0, len(usable) - 1, self.slices_per_volume, device=usable.device).long()
            chosen.append(slices[usable[order]])
        return torch.cat(chosen)


class AutoencoderNet(ReconstructionNet):
    """Autoencoder, or variational autoencoder that draws its codes in training and takes their means otherwise.

    The loss finds logits under ``reconstruction`` and, from a variational one, ``mean`` and ``log_variance``.

    Args:
        image_size: size of the model's images.
        latent_size: length of the code.
        width: channels of the encoder's first stage; 64 is the published width.
        variational: whether it is a variational autoencoder.
        options: arguments of `ReconstructionNet`.

    Source:
        Baur et al., MICCAI BrainLes 2018 (AE); Zimmerer et al., MICCAI 2019 (VAE). The published code of
        Silva-Rodríguez et al., BMVC 2021, draws codes at test time too; a map should not change from run to run.
    """

    model: ResNetAutoencoder

    def __init__(
        self,
        image_size: Sequence[int],
        latent_size: int = 32,
        width: int = 64,
        variational: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(ResNetAutoencoder(image_size, latent_size, width, variational), image_size, **options)

    def _objective(self, image: torch.Tensor, brain: torch.Tensor) -> dict[str, torch.Tensor]:
        return self._decode(*self.model.encode(image))

    def _decode(self, mean: torch.Tensor, log_variance: torch.Tensor | None) -> dict[str, torch.Tensor]:
        if log_variance is None:
            return {RECONSTRUCTION: self.model.decoder(mean)}
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        return {RECONSTRUCTION: self.model.decoder(code), MEAN: mean, LOG_VARIANCE: log_variance}

    def _reconstruct(self, image: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.model(image))


def training_output(inputs: torch.Tensor, network: ReconstructionNet, *args: Any, **kwargs: Any) -> Any:
    """Call `ReconstructionNet.training_output`; an inferer for evaluators that measure a validation loss."""
    return network.training_output(inputs)


def _plain(x: torch.Tensor) -> torch.Tensor:
    """Drop metadata: every operation on a MetaTensor copies it."""
    return x.as_tensor() if isinstance(x, MetaTensor) else x
