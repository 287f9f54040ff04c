"""Losses of reconstruction networks. They are given what `bundle.networks.reconstruction` names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F
from torch.nn.modules.loss import _Loss

from bundle.losses.functional import check_weight
from bundle.networks.reconstruction import BRAIN, LOG_VARIANCE, MEAN, RECONSTRUCTION, TARGET

Prediction = Mapping[str, torch.Tensor]


def cross_entropy_per_voxel(logit: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy of intensities in [0, 1], averaged over voxels and images.

    Shape:
        - logit, image: ``(B, 1, *spatial)``.
        - output: scalar.
    """
    return F.binary_cross_entropy_with_logits(logit, image)


def brain_squared_error(reconstruction: torch.Tensor, image: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """Squared error, averaged over the brain voxels of the batch; 0 where there are none.

    Shape:
        - reconstruction, image, brain: ``(B, 1, *spatial)``.
        - output: scalar.
    """
    weights = brain.to(image.dtype)
    return ((reconstruction - image).square() * weights).sum() / weights.sum().clamp_min(1.0)


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Divergence of normal distributions of codes from the standard one, summed over their axes, averaged over images.

    Shape:
        - mean, log_variance: ``(B, latent_size)``.
        - output: scalar, nats.

    Source:
        Kingma and Welling, ICLR 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1).mean()


class AutoencoderLoss(_Loss):
    """Cross entropy per voxel and, of a variational autoencoder, the divergence of its codes.

    The divergence is shared out over the voxels of an image, so that a weight of 1 makes the negative evidence lower
    bound per voxel.

    Args:
        kl_weight: weight of the divergence.

    Attributes:
        parts: the last call's detached scalars.

    Shape:
        - pred: output of `AutoencoderNet` in training mode.
        - target: not used; the images to reconstruct are part of the output, as the network brings them to [0, 1].
        - output: scalar.

    Raises:
        ValueError: When the weight is negative or not finite.

    Source:
        Baur et al., MICCAI BrainLes 2018; Zimmerer et al., MICCAI 2019. The published code of Silva-Rodríguez et al.,
        BMVC 2021, divides the divergence by the length of the code instead of the image: a weight of 1568 at
        224 x 224, at which the codes say nothing and every image has one reconstruction. Their code of 2022 sums it
        over the batch, a weight that grows with the batch.
    """

    def __init__(self, kl_weight: float = 1.0) -> None:
        super().__init__()
        check_weight("kl_weight", kl_weight)
        self.kl_weight = kl_weight
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: Prediction, target: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a batch and remember its parts."""
        loss = cross_entropy_per_voxel(pred[RECONSTRUCTION], pred[TARGET])
        self.parts = {"reconstruction_loss": loss.detach()}
        if LOG_VARIANCE in pred:
            divergence = kl_divergence(pred[MEAN], pred[LOG_VARIANCE])
            self.parts["kl_divergence"] = divergence.detach()
            loss = loss + self.kl_weight * divergence / pred[TARGET][0].numel()
        return loss


class DenoisingLoss(_Loss):
    """Squared error inside the brain.

    Attributes:
        parts: the last call's detached scalars.

    Shape:
        - pred: output of `DenoisingNet` in training mode.
        - target: not used, see `AutoencoderLoss`.
        - output: scalar.

    Source:
        Kascenas et al., MIDL 2022.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: Prediction, target: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a batch and remember its parts."""
        loss = brain_squared_error(pred[RECONSTRUCTION], pred[TARGET], pred[BRAIN])
        self.parts = {"reconstruction_loss": loss.detach()}
        return loss
