"""What a training batch brings to the network and to the loss, and which patients keep their lesion maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.engines import PrepareBatch
from monai.utils import convert_to_tensor

from bundle.conventions import HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, SUBJECT


def keep_annotations(entries: Sequence[Mapping[str, Any]], fraction: float, seed: int = 0) -> list[dict[str, Any]]:
    """Leave out the masks of some patients, as if nobody had annotated them.

    The patients that keep theirs depend on the seed and on the set of annotated patients, not on their order; a larger
    fraction keeps those of a smaller one. Healthy entries stay as they are.

    Args:
        entries: datalist entries.
        fraction: share of the annotated patients that keep their mask, rounded to whole patients.
        seed: seed of the choice.

    Raises:
        ValueError: When ``fraction`` is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}.")
    annotated = sorted({entry[SUBJECT] for entry in entries if int(entry[LABEL]) == PATHOLOGICAL and MASK in entry})
    order = np.random.default_rng(seed).permutation(len(annotated))
    without = {annotated[index] for index in order[round(fraction * len(annotated)) :]}
    return [
        {key: value for key, value in entry.items() if key != MASK or entry[SUBJECT] not in without}
        for entry in entries
    ]


class PrepareHealthyAttribution(PrepareBatch):
    """Ask the network for the attribution maps of healthy images only; for ``prepare_batch`` of MONAI's trainers.

    Half of a balanced batch then costs no decoding, and a constraint on healthy images is the same.

    Shape:
        - image: ``(B, C, *spatial)``.
        - label: ``(B,)``.
        - third output: numbers of the N healthy images, ``(N,)``, int64.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor], dict[str, Any]]:
        """Return images, labels and the network's further arguments, moved to the device."""
        image = batchdata[IMAGE].to(device=device, non_blocking=non_blocking, **kwargs)
        label = batchdata[LABEL].to(device=device, non_blocking=non_blocking, **kwargs)
        healthy = (convert_to_tensor(batchdata[LABEL], track_meta=False).flatten() == HEALTHY).nonzero().flatten()
        return image, label, (healthy.to(device=device, non_blocking=non_blocking),), {}


class PrepareAnnotatedBatch(PrepareBatch):
    """Hand the loss the labels and the lesion maps of a batch; for ``prepare_batch`` of MONAI's trainers.

    :py:class:`bundle.data.FillMissingMaskd` gives every entry a map: zero for healthy images, NaN where nobody
    annotated.

    Shape:
        - image, mask: ``(B, C, *spatial)``.
        - label: ``(B,)``.

    Raises:
        ValueError: When the batch lacks labels or maps.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the images and ``{"label": ..., "mask": ...}``, moved to the device."""
        lacking = [key for key in (IMAGE, LABEL, MASK) if key not in batchdata]
        if lacking:
            raise ValueError(
                f"a batch must hold {IMAGE}, {LABEL} and {MASK}, got no {' and no '.join(lacking)}. "
                "Load masks and end the transforms with FillMissingMaskd."
            )
        image = batchdata[IMAGE].to(device=device, non_blocking=non_blocking, **kwargs)
        targets = {key: convert_to_tensor(batchdata[key], track_meta=False) for key in (LABEL, MASK)}
        return image, {
            key: target.to(device=device, non_blocking=non_blocking, **kwargs) for key, target in targets.items()
        }
