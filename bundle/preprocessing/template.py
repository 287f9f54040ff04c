"""The MNI152 brain that subjects are registered to, from the files that nilearn ships."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from bundle.data.grid import smoothing_sigma
from bundle.preprocessing.geometry import Affine, to_sitk


@dataclass(frozen=True)
class Template:
    """The template on a grid of cubic voxels.

    Args:
        image: T1-weighted brain, 0 outside, float32.
        brain: brain mask, uint8.
    """

    image: sitk.Image
    brain: sitk.Image


@lru_cache(maxsize=8)
def load_template(spacing_mm: int) -> Template:
    """Return the ICBM 2009a symmetric brain at a spacing, blurred to the partial volume of its voxels.

    nilearn ships T1 contrast only. Mutual information does not need the contrast of the subject's image, and a
    FLAIR-like template made of the tissue maps registered no better (docs/preprocessing.md).

    Args:
        spacing_mm: edge of the voxels, a whole number from 1.
    """
    image, brain, affine = _one_millimetre()
    sigma = smoothing_sigma((1.0, 1.0, 1.0), spacing_mm)
    coarse = (slice(None, None, spacing_mm),) * 3
    affine = affine @ np.diag([spacing_mm] * 3 + [1.0])
    image, part = (ndimage.gaussian_filter(volume.astype(np.float32), sigma)[coarse] for volume in (image, brain))
    return Template(to_sitk(image, affine), to_sitk((part >= 0.5).astype(np.uint8), affine))


@lru_cache(maxsize=1)
def _one_millimetre() -> tuple[NDArray[np.float32], NDArray[np.bool_], Affine]:
    """Return image, brain mask and affine at the spacing of the files."""
    # imported here because inference, which imports the package too, has no need of nilearn
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    reference = load_mni152_brain_mask(resolution=1)
    brain = ndimage.binary_fill_holes(_array(reference) > 0)
    image = np.where(brain, _array(load_mni152_template(resolution=1)), np.float32(0))
    return image, brain, np.asarray(reference.affine)


def _array(image: Any) -> NDArray[np.float32]:
    """Return a NIfTI image's values as float32."""
    return np.asarray(image.dataobj, dtype=np.float32)
