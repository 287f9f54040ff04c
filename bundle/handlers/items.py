"""What handlers share: the decollated items of an iteration, and the voxels they contribute."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from ignite.engine import Engine

from bundle.anomaly import OUTSIDE_BRAIN, map_key
from bundle.conventions import LABEL, MASK, PATHOLOGICAL, SUBJECT
from bundle.metrics import RankingCurve, SortedVoxels

logger = logging.getLogger(__name__)

BRAIN_ML_MAX = 2500.0
"""Largest intracranial volume to expect, in millilitres; adults have 1100 to 1900."""


def decollated_items(engine: Engine) -> list[dict[str, Any]]:
    """Return one dictionary per image of the iteration, batch and output joined.

    Raises:
        ValueError: When the engine does not decollate its batches.
    """
    batch, output = engine.state.batch, engine.state.output
    if not isinstance(batch, list) or not isinstance(output, list):
        raise ValueError(
            f"this handler needs decollated items, got batch and output of type {type(batch).__name__} and "
            f"{type(output).__name__}. Set decollate=True in the evaluator."
        )
    return [{**before, **after} for before, after in zip(batch, output, strict=True)]


def is_annotated(item: Mapping[str, Any]) -> bool:
    """Say whether the lesion of an item is known: it has a mask and is pathological."""
    return int(item[LABEL]) == PATHOLOGICAL and item.get(MASK) is not None


def check_annotated(sections: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> list[Mapping[str, Any]]:
    """Check that every section of a datalist has a pathological subject with a lesion mask.

    Args:
        sections: what the masks are needed for, for the message -> entries of the section; None for
            a section that is not used.

    Returns:
        The entries of all sections, so that the check can stand before another one.

    Raises:
        ValueError: When a section has none.
    """
    used = {purpose: entries for purpose, entries in sections.items() if entries is not None}
    for purpose, entries in used.items():
        if not any(is_annotated(entry) for entry in entries):
            pathological = sum(int(entry[LABEL]) == PATHOLOGICAL for entry in entries)
            raise ValueError(
                f"{purpose} needs at least one pathological subject with a mask, got 0 masks for {pathological} "
                f"pathological of {len(entries)} subjects. Add 'mask' to entries of the datalist."
            )
    return [entry for entries in used.values() for entry in entries]


@dataclass(frozen=True)
class BrainVoxels:
    """Scores and lesion mask of the brain voxels of one subject, on the CPU.

    Attributes:
        scores: score name -> scores of the brain voxels, ``(N,)`` float32.
        lesion: lesion mask of the brain voxels, ``(N,)`` bool.
        outside_lesion: lesion voxels outside the brain, which no score can reach.
        outside_healthy: other voxels outside the brain.
    """

    scores: dict[str, torch.Tensor]
    lesion: torch.Tensor
    outside_lesion: int
    outside_healthy: int

    @classmethod
    def from_item(cls, item: Mapping[str, Any], names: Sequence[str]) -> BrainVoxels:
        """Collect the anomaly maps ``names`` of an item; an item without a mask has no lesion voxel.

        Raises:
            ValueError: When the mask is on another grid than the maps, or the image has no brain voxel.
        """
        maps = {name: torch.as_tensor(item[map_key(name)]).cpu().flatten() for name in names}
        first = torch.as_tensor(item[map_key(names[0])])
        mask = item.get(MASK)
        if mask is not None and tuple(mask.shape) != tuple(first.shape):
            raise ValueError(
                f"subject {item.get(SUBJECT)}: mask and anomaly map must share one grid, got {tuple(mask.shape)} and "
                f"{tuple(first.shape)}. Invert the map to the image's grid in postprocessing."
            )
        lesion = torch.zeros_like(maps[names[0]], dtype=torch.bool)
        if mask is not None:
            lesion = torch.as_tensor(mask).cpu().flatten() != 0
        brain = maps[names[0]] != OUTSIDE_BRAIN  # NaN counts as brain, so that ranking reports it
        if not bool(brain.any()):
            raise ValueError(f"subject {item.get(SUBJECT)}: the image has no brain voxel, all its values are equal.")
        outside_lesion = int((lesion & ~brain).sum())
        return cls(
            {name: _plain(values[brain]) for name, values in maps.items()},
            _plain(lesion[brain]),
            outside_lesion,
            int((~brain).sum()) - outside_lesion,
        )

    def sorted_voxels(self, name: str) -> SortedVoxels:
        """Sort the brain voxels by one score; :py:meth:`RankingCurve.pooled` ranks those of several subjects."""
        return SortedVoxels.from_scores(self.scores[name], self.lesion)

    def curve(self, name: str) -> RankingCurve:
        """Return the ranking of the brain voxels by one score."""
        return RankingCurve.pooled([self.sorted_voxels(name)])


def check_brain_volume(subject: str, brain_ml: float) -> None:
    """Log a warning when more of an image is non-zero than a brain can fill."""
    if brain_ml > BRAIN_ML_MAX:
        logger.warning(
            "%s: %.0f ml of the image are not zero, more than a brain (at most %.0f ml). Extract the brain first; "
            "maps of an image with skull mean little.",
            subject,
            brain_ml,
            BRAIN_ML_MAX,
        )


def _plain(values: torch.Tensor) -> torch.Tensor:
    """Drop the metadata of a MetaTensor."""
    return values.as_tensor() if hasattr(values, "as_tensor") else values
