"""What a training batch brings to the network and to the loss, and which patients keep their lesion maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
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


def _move(data: torch.Tensor, /, **kwargs: Any) -> torch.Tensor:
    """Move a part of a batch to a device, as a plain tensor.

    A compiled network takes no MetaTensors, and MONAI's trainer, which takes their metadata off for it, fails at making
    a batch's images MetaTensors again.
    """
    tensor: torch.Tensor = convert_to_tensor(data, track_meta=False).to(**kwargs)
    return tensor


class PrepareLabelledBatch(PrepareBatch):
    """Hand on images and labels, as plain tensors; for ``prepare_batch`` of MONAI's trainers.

    Shape:
        - image: ``(B, C, *spatial)``.
        - label: ``(B,)``.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and labels, moved to the device."""
        move = partial(_move, device=device, non_blocking=non_blocking, **kwargs)
        return move(batchdata[IMAGE]), move(batchdata[LABEL])


class PrepareHealthyAttribution(PrepareBatch):
    """Ask the network for the attribution maps of healthy images only; for ``prepare_batch`` of MONAI's trainers.

    Half of a balanced batch then costs no decoding, and a constraint on healthy images is the same.

    Shape:
        - image: ``(B, C, *spatial)``.
        - label: ``(B,)``.
        - attributed: numbers of the N healthy images, ``(N,)``, int64.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor], dict[str, Any]]:
        """Return images, labels and the network's further arguments, moved to the device."""
        move = partial(_move, device=device, non_blocking=non_blocking)
        healthy = (batchdata[LABEL].flatten() == HEALTHY).nonzero().flatten()  # before a GPU has them: no wait for it
        image, label = move(batchdata[IMAGE], **kwargs), move(batchdata[LABEL], **kwargs)
        return image, label, (move(healthy),), {}


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
        move = partial(_move, device=device, non_blocking=non_blocking, **kwargs)
        return move(batchdata[IMAGE]), {key: move(batchdata[key]) for key in (LABEL, MASK)}
