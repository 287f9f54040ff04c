"""Endless training data that is made while training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import apply_transform
from torch.utils.data import IterableDataset, get_worker_info

from bundle.conventions import CONDITION, IMAGE, LABEL, MASK, SUBJECT
from bundle.data.phantom.acquisition import check_strength
from bundle.data.phantom.atlas import make_grid
from bundle.data.phantom.subject import PhantomSubject, condition_label, make_subject

DEFAULT_SHARES = {"healthy": 0.5, "tumour": 0.25, "ms": 0.25}
BEYOND_COHORTS = 1_000_000
"""Number of the first subject: no cohort of the same seed is that large, so none of its subjects comes again."""


class PhantomDataset(IterableDataset[dict[str, Any]]):
    """Synthetic subjects without end, none of them twice.

    Subject n is the same whatever the number of workers; workers and distributed ranks take turns.

    Args:
        shares: chance of each condition; they are normalised to 1.
        spacing_mm: spacing of the MNI grid.
        seed: seed of the subjects.
        scanner_signature: probability with which the scanner equals the class.
        first_index: number of the first subject.
        transform: MONAI transform of each item, which is a dictionary as a datalist entry is after loading.

    Shape:
        - ``image`` and ``mask`` of an item: ``(1, X, Y, Z)`` MetaTensor, float32.

    Raises:
        ValueError: When a share is negative, all are zero or one is of an unknown condition, or the spacing or the
            signature is out of range.
    """

    def __init__(
        self,
        *,
        shares: Mapping[str, float] | None = None,
        spacing_mm: float = 2.0,
        seed: int = 0,
        scanner_signature: float = 0.0,
        first_index: int = BEYOND_COHORTS,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.shares = dict(DEFAULT_SHARES if shares is None else shares)
        for condition in self.shares:
            condition_label(condition)
        if any(share < 0 for share in self.shares.values()) or not sum(self.shares.values()) > 0:
            raise ValueError(f"shares must not be negative and not all be 0, got {self.shares}.")
        make_grid(spacing_mm)
        check_strength(scanner_signature)
        self.spacing_mm = spacing_mm
        self.seed = seed
        self.scanner_signature = scanner_signature
        self.first_index = first_index
        self.transform = transform

    def condition(self, index: int) -> str:
        """Return the condition of subject ``index``."""
        chances = np.array(list(self.shares.values()), dtype=float)
        rng = np.random.default_rng([self.seed, index, 1])  # a stream of its own, beside those of `draw_subject`
        return str(rng.choice(list(self.shares), p=chances / chances.sum()))

    def subject(self, index: int) -> dict[str, Any]:
        """Return subject ``index`` before the transform."""
        condition = self.condition(index)
        subject = make_subject(
            self.seed, index, condition, spacing_mm=self.spacing_mm, scanner_signature=self.scanner_signature
        )
        return as_item(subject, f"phantom-{self.seed}-{index}")

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        turn, turns = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            turn += turns * torch.distributed.get_rank()
            turns *= torch.distributed.get_world_size()
        index = self.first_index + turn
        while True:
            item = self.subject(index)
            yield item if self.transform is None else apply_transform(self.transform, item)
            index += turns


def as_item(subject: PhantomSubject, name: str) -> dict[str, Any]:
    """Return a subject as a datalist entry is after loading.

    Args:
        subject: the subject.
        name: its identifier.

    Shape:
        - ``image`` and ``mask``: ``(1, X, Y, Z)`` MetaTensor, float32.
    """
    affine = torch.as_tensor(subject.affine)
    volumes = {
        key: MetaTensor(
            torch.from_numpy(array.astype(np.float32))[None],
            affine=affine,
            meta={"filename_or_obj": f"{name}_{key}", "space": "RAS"},
        )
        for key, array in ((IMAGE, subject.image), (MASK, subject.mask))
    }
    condition = subject.parameters.condition
    return {**volumes, LABEL: subject.parameters.label, CONDITION: condition, SUBJECT: name}
