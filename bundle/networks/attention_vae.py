"""Variational autoencoder whose attention is held to cover healthy images: the map is the attention, no residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from bundle.networks.reconstruction import AutoencoderNet
from bundle.networks.reconstruction_grid import erode

ATTENTION = (
    "attention"  # beside the keys of bundle.networks.reconstruction: (B, 1, *image_size / 4), see `AttentionNet`
)
ATTENTIONS = ("gradcam", "activation")

_LINEAR = {2: "bilinear", 3: "trilinear"}


class AttentionNet(AutoencoderNet):
    """Variational autoencoder that gives the attention of its encoder.

    The attention ``"gradcam"`` is the Grad-CAM, without rectifier, of the sum of the code's means at the encoder's
    first stage. Normalised to [0, 1] within each image's eroded brain, enlarged, it is the anomaly map; the image score
    is the map's standard deviation. In training mode batch normalisation lets the images of a batch act on each other's
    attention, as in the published code. The loss finds what a variational autoencoder gives, and ``attention``.

    Args:
        image_size: size of the model's images.
        attention: ``"gradcam"``, or ``"activation"`` for the mean over the channels of the first stage.
        options: arguments of `AutoencoderNet` but ``variational``.

    Raises:
        ValueError: When ``attention`` is unknown.

    Source:
        Silva-Rodríguez et al., BMVC 2021 (Grad-CAM), and Medical Image Analysis 2022, whose published code computes
        gradients but then takes the channels' mean, ``"activation"``.
    """

    def __init__(self, image_size: Sequence[int], attention: str = "gradcam", **options: Any) -> None:
        super().__init__(image_size, variational=True, **{"image_score": "deviation", **options})
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}, got {attention!r}.")
        self.attention = attention

    def attend(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the attention, and mean and logarithm of the variance of the codes.

        In training mode all three are differentiable, the attention by a second derivative of the encoder's later
        stages.

        Shape:
            - image: ``(B, 1, *image_size)``.
            - output: ``(B, 1, *image_size / 4)`` and twice ``(B, latent_size)``.
        """
        differentiable = self.training and torch.is_grad_enabled()
        encoder = self.model.encoder
        with torch.inference_mode(False), torch.enable_grad():
            activations = encoder.features(image.clone())
            if not activations.requires_grad:
                activations.requires_grad_()  # where the encoder's weights are fixed
            encoded = encoder.further(activations).flatten(1)
            mean, log_variance = self.model.to_mean(encoded), self.model.to_log_variance(encoded)  # type: ignore[misc]
            if self.attention == "gradcam":
                attention = grad_cam(activations, mean.sum(), create_graph=differentiable)
            else:
                attention = activations.mean(1, keepdim=True)
        if differentiable:
            return attention, mean, log_variance
        return attention.detach(), mean.detach(), log_variance.detach()

    def _objective(self, image: torch.Tensor, brain: torch.Tensor) -> dict[str, torch.Tensor]:
        attention, mean, log_variance = self.attend(image)
        return {ATTENTION: attention, **self._decode(mean, log_variance)}

    def _score(self, image: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
        attention, _, _ = self.attend(image)
        enlarged = F.interpolate(
            attention, size=self.image_size, mode=_LINEAR[len(self.image_size)], align_corners=True
        )
        return normalise_inside(enlarged, erode(brain, self.erosion))


def grad_cam(activations: torch.Tensor, target: torch.Tensor, *, create_graph: bool = False) -> torch.Tensor:
    """Weigh activations by the mean over space of a target's gradient, and sum over channels: Grad-CAM, unrectified.

    Args:
        activations: activations that the target depends on.
        target: scalar.
        create_graph: whether the result can be differentiated again.

    Shape:
        - activations: ``(B, K, *spatial)``.
        - output: ``(B, 1, *spatial)``.

    Source:
        Selvaraju et al., ICCV 2017, eq. 1 and 2.
    """
    (gradient,) = torch.autograd.grad(target, activations, create_graph=create_graph, retain_graph=True)
    weights = gradient.mean(list(range(2, gradient.dim())), keepdim=True)
    return (weights * activations).sum(1, keepdim=True)


def normalise_inside(maps: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Bring the values of each map inside a mask to [0, 1]; 0 outside, and everywhere in a constant map.

    Shape:
        - maps, inside, output: ``(B, 1, *spatial)``.
    """
    axes = list(range(1, maps.dim()))
    low = maps.masked_fill(~inside, torch.inf).amin(axes, keepdim=True)
    above = (maps - low).masked_fill(~inside, 0.0)
    high = above.amax(axes, keepdim=True)
    return torch.where(high > 0, above / high, 0.0)
