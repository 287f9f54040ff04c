"""The training loss of an attribution-constrained classifier."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.modules.loss import _Loss

from bundle.conventions import LABEL, MASK, split_prediction
from bundle.losses.functional import classification_loss, supervised_constraint, unsupervised_constraint

SUPERVISIONS = ("unsupervised", "supervised")


class AttributionConstraintLoss(_Loss):
    """Classification loss plus a constraint on the signs of the attribution map: L = L_C + alpha * L_A (eq. 1).

    ``"unsupervised"`` pushes every voxel of a healthy image to speak for the healthy class (eq. 2). ``"supervised"``
    also pushes the voxels of annotated lesions to speak for pathology (eq. 3); the target's map is NaN where nobody
    annotated.

    At alpha 1e8 the value of the loss is no use to a reader: softplus of an attribution of 1e-8 rounds to log 2 in
    float32, and L_C is lost in the last digits of the sum. The gradients are exact all the same, because the terms are
    differentiated apart. `parts` holds what can be read.

    Args:
        alpha: weight of the constraint; 0 leaves a plain classifier.
        supervision: ``"unsupervised"`` or ``"supervised"``.
        sharpness: None takes attributions in logits per unit of intensity, as the paper does; a number takes them in
            units of their own root mean square, see `bundle.losses.functional.relative_attribution` (our recipe).

    Attributes:
        parts: the last call's detached scalars: ``classification_loss``, ``attribution_loss``, and over the voxels of
            healthy images ``healthy_attribution_mean`` and ``healthy_negative_fraction`` (NaN without a healthy image).

    Shape:
        - pred: ``(B, C + 1, *spatial)``, as `AttributionNet` returns it.
        - target: mapping with ``label`` ``(B,)`` or ``(B, 1)`` and, for ``"supervised"``, ``mask``
          ``(B, C, *spatial)``; or the label tensor alone.
        - output: scalar.

    Raises:
        ValueError: When ``alpha`` is negative or not finite, ``supervision`` is unknown, ``sharpness`` is not positive,
            a label is missing for an image, or the supervised constraint finds no map of the attribution's shape.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 1-3. ``sharpness`` is ours (docs/method.md).
    """

    def __init__(self, alpha: float, supervision: str = "unsupervised", sharpness: float | None = None) -> None:
        super().__init__()
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"alpha must be a finite number of at least 0, got {alpha}.")
        if supervision not in SUPERVISIONS:
            raise ValueError(f"supervision must be one of {', '.join(SUPERVISIONS)}, got {supervision!r}.")
        if sharpness is not None and not 0 < sharpness < float("inf"):
            raise ValueError(f"sharpness must be a positive number, or None for the paper's units, got {sharpness}.")
        self.alpha = alpha
        self.supervision = supervision
        self.sharpness = sharpness
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, pred: torch.Tensor, target: Mapping[str, torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch and remember its parts."""
        attribution, logit = split_prediction(pred)
        targets = target if isinstance(target, Mapping) else {LABEL: target}
        label = targets[LABEL].flatten()
        if label.shape[0] != pred.shape[0]:
            raise ValueError(
                f"label must hold one value per image, {pred.shape[0]} in all, got shape {tuple(label.shape)}."
            )
        classification = classification_loss(logit, label)
        if self.supervision == "supervised":
            lesion_map = self._lesion_map(targets, attribution)
            constraint = supervised_constraint(attribution, lesion_map, sharpness=self.sharpness)
        else:
            constraint = unsupervised_constraint(attribution, label, sharpness=self.sharpness)
        self._remember(classification, constraint, attribution, label)
        return classification + self.alpha * constraint

    def _lesion_map(self, targets: Mapping[str, torch.Tensor], attribution: torch.Tensor) -> torch.Tensor:
        lesion_map = targets.get(MASK)
        if lesion_map is None or lesion_map.shape != attribution.shape:
            found = "no map" if lesion_map is None else f"shape {tuple(lesion_map.shape)}"
            raise ValueError(
                f"the supervised constraint needs a '{MASK}' of shape {tuple(attribution.shape)}, got {found}. "
                "Give every image a map, NaN where nobody annotated."
            )
        return lesion_map

    def _remember(
        self, classification: torch.Tensor, constraint: torch.Tensor, attribution: torch.Tensor, label: torch.Tensor
    ) -> None:
        healthy = attribution.detach()[label == 0]
        self.parts = {
            "classification_loss": classification.detach(),
            "attribution_loss": constraint.detach(),
            "healthy_attribution_mean": healthy.mean(),
            "healthy_negative_fraction": (healthy < 0).to(attribution.dtype).mean(),
        }
