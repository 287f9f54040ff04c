"""Measures of a classifier that need image labels only: is the decision right, does the constraint hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

from bundle.conventions import ATTRIBUTION, HEALTHY, IMAGE, LABEL, LOGIT

Items = Sequence[Mapping[str, Any]]


def decision_and_label(items: Items) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn an engine's decollated output into decisions and labels, for ``ignite.metrics.Accuracy``.

    Shape:
        - output: ``(B,)`` each, 1 where the logit is positive and where the label is pathological.
    """
    decisions = torch.stack([torch.as_tensor(item[LOGIT]).flatten()[0] > 0 for item in items]).long()
    labels = torch.stack([torch.as_tensor(item[LABEL]).flatten()[0] for item in items]).long()
    return decisions, labels


class HealthyNegativeFraction(Metric):
    """Fraction of the brain voxels of healthy images whose attribution is negative, averaged over the images.

    1 says that the constraint of eq. 2 holds everywhere. It is taken in the mode that the network is evaluated in;
    with batch normalisation a network can satisfy the constraint in training mode and lose it here.

    Source:
        Our measure of Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, section III-B.
    """

    _state_dict_all_req_keys = ("_sum", "_count")

    @reinit__is_reduced
    def reset(self) -> None:
        """Forget all images."""
        self._sum = torch.zeros((), dtype=torch.float64)
        self._count = torch.zeros((), dtype=torch.int64)

    @reinit__is_reduced
    def update(self, output: Items) -> None:
        """Add the healthy images among the items; the brain is where the image is not zero."""
        for item in output:
            if int(item[LABEL]) == HEALTHY:
                attribution = torch.as_tensor(item[ATTRIBUTION])[torch.as_tensor(item[IMAGE]) != 0]
                self._sum += (attribution < 0).double().mean().cpu()
                self._count += 1

    @sync_all_reduce("_sum", "_count")
    def compute(self) -> float:
        """Return the fraction.

        Raises:
            NotComputableError: When no image was healthy.
        """
        if int(self._count) == 0:
            raise NotComputableError(
                "the fraction of negative healthy voxels needs at least one healthy image, got none. "
                "Add healthy images to the validation section of the datalist."
            )
        return float(self._sum / self._count)
