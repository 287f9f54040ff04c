"""The training loss of an attribution-constrained classifier."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from monai.utils import convert_to_tensor
from torch.nn.modules.loss import _Loss

from bundle.conventions import LABEL, split_prediction
from bundle.losses.constraints import make_constraint
from bundle.losses.functional import (
    check_weight,
    classification_loss,
    of_healthy_images,
    ross_penalty,
    total_variation,
)
from bundle.losses.global_batch import global_mean


class AttributionConstraintLoss(_Loss):
    """Classification loss plus a constraint on the attribution map: L = L_C + alpha * L_A (eq. 1).

    ``"unsupervised"`` pushes every voxel of a healthy image to speak for the healthy class (eq. 2). ``"supervised"``
    also pushes the voxels of annotated lesions to speak for pathology (eq. 3); the target's map is NaN where nobody
    annotated. ``"ross"`` and ``"total_variation"`` are the priors that they are compared with: no attribution in
    healthy images, and smooth attributions in all images.

    At alpha 1e8 the value of the loss is no use to a reader: softplus of an attribution of 1e-8 rounds to log 2 in
    float32, and L_C is lost in the last digits of the sum. The gradients are exact all the same, because the terms are
    differentiated apart. `parts` holds what can be read.

    Over several processes value, parts and gradients are those of the batch of all of them, provided that
    DistributedDataParallel averages the gradients, see `bundle.losses.global_batch`.

    Args:
        alpha: weight of the constraint; 0 leaves a plain classifier.
        constraint: ``"unsupervised"``, ``"supervised"``, ``"ross"`` or ``"total_variation"``.
        sharpness: None takes attributions in logits per unit of intensity, as the paper does; a number takes them in
            units of their own root mean square, see `bundle.losses.functional.relative_attribution` (our recipe).
            Only the first two constraints have this form.
        tv_weight: weight of a total variation of all images' maps that is added to the constraint (the paper's
            UnsupTV).
        ridge: weight of the sum of the squared attributions of healthy images, Ross et al.'s penalty, that is added to
            the loss whatever ``alpha`` is (ours: the constraint alone asks for a sign and not for a small map).
        standardise: whether every total variation is that of maps of zero mean and unit variance.

    Attributes:
        parts: the last call's detached scalars: ``classification_loss``, ``attribution_loss`` (L_A), and over the
            voxels of healthy images ``healthy_attribution_mean`` and ``healthy_negative_fraction`` (NaN without a
            healthy image).

    Shape:
        - pred: ``(B, C + 1, *spatial)``, as `AttributionNet` returns it.
        - target: mapping with ``label`` ``(B,)`` or ``(B, 1)`` and, for ``"supervised"``, ``mask``
          ``(B, C, *spatial)``; or the label tensor alone.
        - output: scalar.

    Raises:
        ValueError: When ``alpha``, ``tv_weight`` or ``ridge`` is negative or not finite, a label is missing for an
            image, or the constraint refuses its arguments or targets, see `bundle.losses.constraints.make_constraint`.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 1-3; the priors are those of Ross et al., IJCAI 2017, and
        Erion et al., Nature Machine Intelligence 3, 2021. ``sharpness`` is ours (docs/method.md).
    """

    def __init__(
        self,
        alpha: float,
        constraint: str = "unsupervised",
        sharpness: float | None = None,
        *,
        tv_weight: float = 0.0,
        ridge: float = 0.0,
        standardise: bool = True,
    ) -> None:
        super().__init__()
        for name, weight in (("alpha", alpha), ("tv_weight", tv_weight), ("ridge", ridge)):
            check_weight(name, weight)
        self.alpha = alpha
        self.constraint = make_constraint(constraint, sharpness=sharpness, standardise=standardise)
        self.tv_weight = tv_weight
        self.ridge = ridge
        self.standardise = standardise
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: torch.Tensor, target: Mapping[str, torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch and remember its parts."""
        attribution, logit = split_prediction(convert_to_tensor(pred, track_meta=False))
        targets = dict(target) if isinstance(target, Mapping) else {LABEL: target}
        label = targets[LABEL] = targets[LABEL].flatten()
        if label.shape[0] != pred.shape[0]:
            raise ValueError(
                f"label must hold one value per image, {pred.shape[0]} in all, got shape {tuple(label.shape)}."
            )
        classification = classification_loss(logit, label)
        constraint = self.constraint(attribution, targets)
        if self.tv_weight > 0:
            constraint = constraint + self.tv_weight * total_variation(attribution, standardise=self.standardise)
        self._remember(classification, constraint, attribution, label)
        loss = classification + self.alpha * constraint
        return loss + self.ridge * ross_penalty(attribution, label) if self.ridge > 0 else loss

    def _remember(
        self, classification: torch.Tensor, constraint: torch.Tensor, attribution: torch.Tensor, label: torch.Tensor
    ) -> None:
        attribution, healthy = attribution.detach(), of_healthy_images(label, attribution)
        is_negative = (attribution < 0).to(attribution.dtype)
        self.parts = {
            "classification_loss": classification.detach(),
            "attribution_loss": constraint.detach(),
            "healthy_attribution_mean": global_mean(attribution, healthy, if_none=float("nan")),
            "healthy_negative_fraction": global_mean(is_negative, healthy, if_none=float("nan")),
        }
