"""Fill a region of an image with tissue that looks healthy: what the patient's brain might be without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]

SMOOTHING = 5.0
"""Standard deviation of the Gaussian that carries brightness into a region, in voxels: 1 cm on the 2 mm grid."""

_REACH = 4.0  # standard deviations at which the Gaussian ends
_PRIOR = 1.0e-3  # weight of the median of all known voxels: it counts only where none is within reach


def fill_region(image: Image, brain: Mask, region: Mask, unhealthy: Mask, rng: np.random.Generator) -> Image:
    """Replace a region by healthy-looking tissue.

    Where the mirrored place in the other hemisphere is healthy, its tissue is taken, made as bright as the surroundings
    of the region by the smoothed difference of the two sides: coils shade one side of a head. Elsewhere (both sides
    ill, structures of one side alone) it is the smoothed healthy surroundings and, for texture, the deviations of
    random voxels near the region from theirs. The mirror plane halves the brain's bounding box.

    Args:
        image: image; only voxels of the region change.
        brain: voxels of the brain.
        region: voxels to fill, part of the brain.
        unhealthy: voxels that no tissue is taken from, beside those of the region.
        rng: draws the texture.

    Shape:
        - image, brain, region, unhealthy, output: ``(*spatial)``; the first axis runs from left to right or back.

    Raises:
        ValueError: When no healthy voxel of the brain is left.

    Source:
        A region's effect by a plausible filling, not a grey one: Chang et al., ICLR 2019. Smoothing of what is known:
        normalised convolution, Knutsson and Westin, CVPR 1993. The mirrored tissue is ours.
    """
    healthy = brain & ~region & ~unhealthy
    if not healthy.any():
        raise ValueError(
            f"a filling needs healthy voxels to take tissue from, got 0 of {int(brain.sum())} brain voxels beside a "
            f"region of {int(region.sum())}"
        )
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    filled = image.copy()
    filled[box] = _fill(image[box], healthy[box], region[box], rng)
    return filled


def _fill(image: Image, healthy: Mask, region: Mask, rng: np.random.Generator) -> Image:
    """Fill within the bounding box of the brain, whose middle is the mirror plane."""
    smooth = smooth_known(image, healthy)
    near = healthy & ndimage.binary_dilation(region, iterations=round(SMOOTHING))
    texture = (image - smooth)[near if near.any() else healthy]
    filled = image.copy()
    filled[region] = smooth[region] + rng.choice(texture, int(region.sum()))
    other_side, donor = np.flip(image, 0), np.flip(healthy, 0)
    if (both := healthy & donor).any():
        brighter = smooth_known(image - other_side, both)
        filled[region & donor] = (other_side + brighter)[region & donor]
    return filled


def smooth_known(values: Image, known: Mask) -> Image:
    """Return the Gaussian mean of the known voxels around every voxel; far from all of them, their median.

    Args:
        values: values; those of unknown voxels do not count.
        known: voxels whose value counts, at least one.

    Shape:
        - values, known, output: ``(*spatial)``.
    """
    weight = _blurred(known.astype(np.float32))
    total = _blurred(np.where(known, values, 0).astype(np.float32))
    return (total + _PRIOR * np.median(values[known])) / (weight + _PRIOR)


def _blurred(values: Image) -> Image:
    return ndimage.gaussian_filter(values, SMOOTHING, mode="constant", truncate=_REACH)
