"""The loss of a variational autoencoder whose attention must cover an image."""

from __future__ import annotations

import math

import torch
from torch.nn.modules.loss import _Loss

from bundle.losses.functional import check_weight
from bundle.losses.reconstruction import AutoencoderLoss, Prediction
from bundle.networks.attention_vae import ATTENTION


def log_barrier(z: torch.Tensor, sharpness: float) -> torch.Tensor:
    """Extended log barrier of the constraint z <= 0, differentiable everywhere.

    -ln(-z) / t up to z = -1 / t², and its tangent beyond, so that a violated constraint has a finite value.

    Args:
        z: constrained values.
        sharpness: t; the higher, the closer to a step.

    Shape:
        - z, output: any one shape.

    Source:
        Kervadec et al., 2019 (arXiv 1904.04205), eq. 4.
    """
    joint = -1.0 / sharpness**2
    barrier = -(-z.clamp(max=joint)).log() / sharpness
    tangent = sharpness * z - math.log(1.0 / sharpness**2) / sharpness + 1.0 / sharpness
    return torch.where(z <= joint, barrier, tangent)


class AttentionSizeLoss(_Loss):
    """Loss of a variational autoencoder plus a barrier on attentions that leave out too much of a healthy image.

    The sigmoid of the attention must be at least 1 - p on average over the image.

    Args:
        alpha: weight of the barrier.
        left_out: p, the share of the image that may be left out.
        sharpness: t of the barrier.
        kl_weight: weight of the codes' divergence.

    Attributes:
        parts: the last call's detached scalars.

    Shape:
        - pred: output of `AttentionNet` in training mode.
        - target: not used, see `AutoencoderLoss`.
        - output: scalar.

    Raises:
        ValueError: When ``alpha`` is negative, ``left_out`` not between 0 and 1, or ``sharpness`` not positive.

    Source:
        Silva-Rodríguez et al., BMVC 2021; numbers of its published code (where t is fixed at 20 whatever is asked for).
    """

    def __init__(
        self, alpha: float = 10.0, left_out: float = 0.2, sharpness: float = 20.0, kl_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_weight("alpha", alpha)
        if not 0 < left_out < 1:
            raise ValueError(f"left_out must be between 0 and 1, got {left_out}.")
        if sharpness <= 0:
            raise ValueError(f"sharpness must be positive, got {sharpness}.")
        self.alpha = alpha
        self.left_out = left_out
        self.sharpness = sharpness
        self.autoencoder_loss = AutoencoderLoss(kl_weight)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: Prediction, target: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a batch and remember its parts."""
        loss: torch.Tensor = self.autoencoder_loss(pred)
        covered = torch.sigmoid(pred[ATTENTION]).flatten(1).mean(1)
        barrier = log_barrier(1.0 - self.left_out - covered, self.sharpness).mean()
        self.parts = {
            **self.autoencoder_loss.parts,
            "attention_size": covered.detach().mean(),
            "attention_barrier": barrier.detach(),
        }
        return loss + self.alpha * barrier
