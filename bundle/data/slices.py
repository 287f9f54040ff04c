"""Choose the slices of a 2D data set: which are healthy or pathological, and how their patients are split.

A slice without lesion is healthy, also in a patient; one with more than a small share of lesion is pathological; those
in between are left out. All slices of a patient stand in one section of the datalist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.conventions import (
    CONDITION,
    HEALTHY,
    IMAGE,
    LABEL,
    MASK,
    PATHOLOGICAL,
    PATIENT,
    SUBJECT,
    TEST,
    TRAINING,
    VALIDATION,
)
from bundle.data.records import Entry, check_both_classes
from bundle.data.slice_sources import SliceStack
from bundle.data.splits import split_subjects

FRACTIONS = {TRAINING: 0.7, VALIDATION: 0.1, TEST: 0.2}


@dataclass(frozen=True)
class SlicePlan:
    """Which slices are taken, and how they are split and shaped.

    Args:
        rel_z: slices strictly between these heights are taken, see `SliceStack`. Tumour-free slices cluster near top
            and bottom, where the position alone would give the class away.
        min_share: a slice is pathological when its lesion has more than this share of the slice's voxels, background
            included, before padding.
        every: take every n-th slice of those between the heights.
        background: voxels of at most this share of their slice's highest value are air and become zero, as the bundle
            takes background for zero; 0 for images whose background is zero already.
        size: voxels of the slices that are written; None takes the largest slice along each axis.
        seed: seed of the split.
        fractions: share of training, validation and test among the patients of each condition; None keeps the sections
            of a datalist, and takes `FRACTIONS` where there are none.

    Raises:
        ValueError: When a value is out of range.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, section IV-A: middle slices without tumour, and with more than
        0.1 % of tumour. The paper does not say of what; the heights are ours.
    """

    rel_z: tuple[float, float] = (0.32, 0.86)
    min_share: float = 1.0e-3
    every: int = 1
    background: float = 0.0
    size: tuple[int, int] | None = None
    seed: int = 0
    fractions: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not self.rel_z[0] < self.rel_z[1]:
            raise ValueError(f"rel_z must be a lower and a higher height, got {self.rel_z[0]:g} and {self.rel_z[1]:g}.")
        if not 0 <= self.min_share < 1:
            raise ValueError(f"min_share must be at least 0 and below 1, got {self.min_share:g}.")
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}.")
        if not 0 <= self.background < 1:
            raise ValueError(f"background must be at least 0 and below 1, got {self.background:g}.")
        if self.size is not None and min(self.size) < 2:
            raise ValueError(f"size must be at least 2 voxels along each axis, got {self.size}.")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}.")

    def labels(self, stack: SliceStack) -> dict[int, int]:
        """Return index and label of the slices that are taken from a stack.

        Slices without contrast, such as empty ones, are left out.
        """
        low, high = self.rel_z
        taken = np.flatnonzero((stack.rel_z > low) & (stack.rel_z < high))[:: self.every]
        share = stack.mask[taken].mean(axis=(1, 2))
        contrast = np.ptp(stack.image[taken], axis=(1, 2)) > 0
        clear = contrast & ((share == 0) | (share > self.min_share))
        return {
            int(index): PATHOLOGICAL if lesion > 0 else HEALTHY
            for index, lesion in zip(taken[clear], share[clear], strict=True)
        }

    def without_background(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return a slice with its background at zero."""
        return np.where(image > self.background * image.max(), image, 0) if self.background > 0 else image


@dataclass(frozen=True)
class SliceSet:
    """The slices of a source that a plan takes.

    Attributes:
        sections: entries of each section of the datalist, with paths relative to its folder.
        shape: voxels of every slice.
    """

    sections: Mapping[str, list[Entry]]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return sum(len(entries) for entries in self.sections.values())


def choose_slices(stacks: Iterable[SliceStack], plan: SlicePlan, source: Path) -> SliceSet:
    """Choose the slices of all patients and split the patients, before anything is written.

    Args:
        stacks: the source's stacks, perhaps behind a progress bar.
        plan: which slices are taken.
        source: file of the source, for messages.

    Raises:
        ValueError: When a class is missing at all, or in training or validation, the patients cannot be split, or
            ``plan.size`` would cut off voxels that are not zero.
    """
    entries: list[Entry] = []
    sections: dict[str, str | None] = {}
    conditions: dict[str, str] = {}
    shape = np.array(plan.size or (0, 0))
    for stack in stacks:
        labels = plan.labels(stack)
        if plan.size is None:
            shape = np.maximum(shape, stack.image.shape[1:])
        _check_size(stack, list(labels), shape, source)
        entries += [slice_entry(stack, index, label) for index, label in labels.items()]
        if labels:
            sections[stack.patient] = stack.section
            conditions[stack.patient] = stack.condition
    _check_classes(entries, source)
    if plan.fractions is not None or None in sections.values():
        split = split_subjects(list(conditions), list(conditions.values()), plan.fractions or FRACTIONS, plan.seed)
        sections = {patient: section for section, patients in split.items() for patient in patients}
    parts = {
        name: [entry for entry in entries if sections[entry[PATIENT]] == name] for name in (TRAINING, VALIDATION, TEST)
    }
    check_both_classes(source, {name: parts[name] for name in (TRAINING, VALIDATION) if parts[name]})
    return SliceSet(parts, (int(shape[0]), int(shape[1])))


def slice_entry(stack: SliceStack, index: int, label: int) -> Entry:
    """Return the datalist's entry of one slice, with paths relative to the datalist's folder.

    Args:
        stack: stack that holds the slice.
        index: its number in the stack.
        label: its label.
    """
    subject = f"{stack.subject}_{index:03d}"
    return {
        SUBJECT: subject,
        PATIENT: stack.patient,
        IMAGE: f"images/{subject}_flair.nii.gz",
        LABEL: label,
        CONDITION: "healthy" if label == HEALTHY else stack.condition,
        MASK: f"masks/{subject}_lesion.nii.gz",
    }


def fit(
    image: NDArray[Any], affine: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Pad a slice with zeros, or crop it, around its centre, and move its affine with it.

    Args:
        image: slice.
        affine: voxel index to millimetre, with the slice in its first two axes.
        shape: voxels of the result.

    Shape:
        - image: ``(X, Y)``.
        - affine: ``(4, 4)``.
    """
    before = (np.array(shape) - image.shape) // 2  # negative where the slice is cropped
    after = np.array(shape) - image.shape - before
    cropped = image[tuple(slice(max(-b, 0), size + min(a, 0)) for b, a, size in zip(before, after, image.shape))]
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :2] @ before
    return np.pad(cropped, list(zip(before.clip(0), after.clip(0)))), moved


def _check_size(stack: SliceStack, indices: list[int], shape: NDArray[Any], source: Path) -> None:
    """Raise where the central part of a slice does not hold all of its voxels that are not zero."""
    for index in indices:
        content = (stack.image[index] != 0) | stack.mask[index]
        kept, _ = fit(content, stack.affine, (int(shape[0]), int(shape[1])))
        if (cut := int(content.sum() - kept.sum())) > 0:
            raise ValueError(
                f"{source}: size must hold all voxels that are not zero, {shape[0]} x {shape[1]} cuts {cut} of "
                f"{stack.subject}'s slice {index} ({content.shape[0]} x {content.shape[1]}); choose a larger size"
            )


def _check_classes(entries: list[Entry], source: Path) -> None:
    """Raise where all chosen slices are of one class."""
    pathological = sum(entry[LABEL] == PATHOLOGICAL for entry in entries)
    if pathological in (0, len(entries)):
        raise ValueError(
            f"{source}: slices must be of both classes, got {len(entries) - pathological} healthy and {pathological} "
            "pathological; check the masks, widen rel_z or lower min_share"
        )
