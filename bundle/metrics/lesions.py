"""Lesion-wise detection: which lesions a mask finds, and what it marks where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from bundle.metrics.overlap import volume_ml

MIN_OVERLAP = 0.1
"""Fraction of a lesion that must be marked for the lesion to count as detected."""

VOLUME_LIMITS_ML = (0.1, 1.0, 10.0)
"""Limits of the volume classes; a component of exactly a limit belongs to the class above it."""


@dataclass(frozen=True)
class LesionDetection:
    """Lesions of one image and what was marked beside them. A lesion is a component of neighbours that share a corner.

    Attributes:
        lesion_ml: volume of each lesion, ``(L,)``.
        covered: fraction of each lesion that was marked, ``(L,)``.
        false_positive_ml: volume of each marked component that touches no lesion voxel, ``(F,)``.
    """

    lesion_ml: NDArray[np.float64]
    covered: NDArray[np.float64]
    false_positive_ml: NDArray[np.float64]

    @classmethod
    def from_masks(cls, prediction: torch.Tensor, mask: torch.Tensor, affine: torch.Tensor) -> LesionDetection:
        """Find the components of two masks: 26 neighbours a voxel in 3D, 8 in 2D.

        Args:
            prediction: predicted mask, non-zero = anomalous.
            mask: reference mask, non-zero = lesion.
            affine: voxel-to-world matrix in millimetres, see :py:func:`bundle.metrics.volume_ml`.

        Shape:
            - prediction, mask: ``(1, *spatial)``, spatial of 2 or 3 axes.

        Raises:
            ValueError: When the shapes differ or are of another form.
        """
        if prediction.shape != mask.shape or mask.ndim not in (3, 4) or len(mask) != 1:
            raise ValueError(
                f"prediction and mask must share one shape (1, *spatial) in 2D or 3D, got {tuple(prediction.shape)} "
                f"and {tuple(mask.shape)}. Invert the prediction to the image's grid first."
            )
        marked, lesion = (np.asarray(torch.as_tensor(part).cpu())[0] != 0 for part in (prediction, mask))
        voxel_ml = volume_ml(torch.ones(1), affine)
        lesions, sizes = _components(lesion)
        hits = np.bincount(lesions[marked], minlength=len(sizes) + 1)[1:]
        found, found_sizes = _components(marked)
        true = np.isin(np.arange(1, len(found_sizes) + 1), found[lesion])
        return cls(sizes * voxel_ml, hits / sizes, found_sizes[~true] * voxel_ml)


@dataclass(frozen=True)
class VolumeClass:
    """Detection of the lesions of one volume class, over all images.

    Attributes:
        lower_ml: smallest volume of the class.
        upper_ml: volume below which the class ends.
        lesions: lesions of the class.
        detected: those of them that were detected.
        false_positives_per_image: marked components of the class that touch no lesion, mean over the images.
    """

    lower_ml: float
    upper_ml: float
    lesions: int
    detected: int
    false_positives_per_image: float

    @property
    def sensitivity(self) -> float:
        """Fraction of the lesions that were detected; NaN without lesions."""
        return self.detected / self.lesions if self.lesions else math.nan


def detection_by_volume(
    images: Sequence[LesionDetection],
    *,
    min_overlap: float = MIN_OVERLAP,
    limits_ml: Sequence[float] = VOLUME_LIMITS_ML,
) -> list[VolumeClass]:
    """Count detected lesions and false components over all images, one entry a volume class and a last one for all.

    A lesion is detected when at least ``min_overlap`` of its voxels are marked, no matter by how many components, and
    at least one voxel is. A marked component is false when it touches no lesion voxel at all, so that a component may
    be neither false nor enough to detect a lesion.

    Args:
        images: detection of each image.
        min_overlap: fraction in [0, 1]; 0 asks for any common voxel.
        limits_ml: rising limits of the volume classes.

    Raises:
        ValueError: When there is no image, ``min_overlap`` is not in [0, 1], or the limits do not rise from above 0.

    Source:
        Commowick et al., Scientific Reports 8:13650, 2018, ask for 10 % of a lesion. Their second condition, that the
        components which cover it must not lie mostly outside of it, is left out: too large an answer lowers Dice. False
        components and ``min_overlap=0`` are as in Carass et al., NeuroImage 148, 2017.
    """
    if not images:
        raise ValueError("lesion detection needs at least one image, got 0. Add annotated images.")
    if not 0 <= min_overlap <= 1:
        raise ValueError(f"min_overlap must lie in [0, 1], got {min_overlap}.")
    bounds = [0.0, *limits_ml, math.inf]
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        raise ValueError(f"limits_ml must rise from above 0, got {list(limits_ml)}.")
    volume = np.concatenate([image.lesion_ml for image in images])
    covered = np.concatenate([image.covered for image in images])
    detected = (covered >= min_overlap) & (covered > 0)
    false = np.concatenate([image.false_positive_ml for image in images])
    classes = []
    for lower, upper in [*pairwise(bounds), (0.0, math.inf)]:
        inside = (volume >= lower) & (volume < upper)
        count = int(((false >= lower) & (false < upper)).sum())
        classes.append(
            VolumeClass(lower, upper, int(inside.sum()), int((inside & detected).sum()), count / len(images))
        )
    return classes


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Label the components from 1 and return the labels and the voxels of each; corners connect."""
    labels, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    return labels, np.bincount(labels[mask], minlength=count + 1)[1:].astype(np.float64)
