"""Losses of f-AnoGAN: those of a Wasserstein critic, its gradient penalty, and that of the encoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F
from torch.nn.modules.loss import _Loss

from bundle.losses.functional import check_weight
from bundle.losses.reconstruction import Prediction
from bundle.networks.f_anogan import FEATURES, RECONSTRUCTED_FEATURES
from bundle.networks.reconstruction import RECONSTRUCTION, TARGET


def critic_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Mean judgement of generated images minus that of real ones: the negative Wasserstein distance.

    Shape:
        - real, fake: ``(B, 1)``.
        - output: scalar.

    Source:
        Arjovsky et al., ICML 2017, eq. 3.
    """
    return fake.mean() - real.mean()


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """Mean squared difference from 1 of the norm of the critic's gradient, between real and generated images.

    Args:
        critic: function to one judgement an image.
        real: images.
        fake: generated images.
        share: share of the real image in each point, in [0, 1].

    Shape:
        - real, fake: ``(B, C, *spatial)``.
        - share: ``(B,)``.
        - output: scalar, differentiable with respect to the critic.

    Source:
        Gulrajani et al., NeurIPS 2017, eq. 3 and algorithm 1.
    """
    mix = share.reshape([-1] + [1] * (real.dim() - 1))
    points = (mix * real + (1.0 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1.0).square().mean()


class EncoderLoss(_Loss):
    """Squared residual of the image and of the critic's features (izi_f).

    Args:
        feature_weight: kappa, weight of the features' residual.

    Attributes:
        parts: the last call's detached scalars.

    Shape:
        - pred: output of `FAnoGANNet` in training mode.
        - target: not used, see `AutoencoderLoss`.
        - output: scalar.

    Raises:
        ValueError: When the weight is negative or not finite.

    Source:
        Schlegl et al., Medical Image Analysis 54, 2019, eq. 3.
    """

    def __init__(self, feature_weight: float = 1.0) -> None:
        super().__init__()
        check_weight("feature_weight", feature_weight)
        self.feature_weight = feature_weight
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: Prediction, target: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a batch and remember its parts."""
        image = F.mse_loss(pred[RECONSTRUCTION], pred[TARGET])
        features = F.mse_loss(pred[RECONSTRUCTED_FEATURES], pred[FEATURES])
        self.parts = {"reconstruction_loss": image.detach(), "feature_loss": features.detach()}
        return image + self.feature_weight * features
