"""Control regions: as many voxels as an anomaly in much the same shape, elsewhere in the brain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Mask = NDArray[np.bool_]

MARGIN = 2
"""Voxels between an anomaly and a control region: the rim of a lesion is often not called."""

_NEARLY_BEST = 0.9  # share of the voxels of the best place that a place must have in free tissue to be drawn


def free_tissue(brain: Mask, unhealthy: Mask) -> Mask:
    """Return the brain voxels where a control region may lie: at least `MARGIN` voxels from all that is unhealthy."""
    return brain & ~ndimage.binary_dilation(unhealthy, iterations=MARGIN)


def control_regions(region: Mask, free: Mask, draws: int, rng: np.random.Generator) -> list[Mask]:
    """Move a region, as it is or mirrored, to random places in free tissue.

    Of all shifts of the region and of its mirror image those are drawn from that bring nearly as many voxels into free
    tissue as the best one does; a small region fits as a whole. The voxels that do not fit are replaced by the free
    ones nearest to the place, so every control has exactly the region's size.

    Args:
        region: region, not empty.
        free: where controls may lie.
        draws: controls to draw; there are fewer where fewer places are good.
        rng: draws the places.

    Shape:
        - region, free, output: ``(*spatial)``; the first axis runs from left to right or back.

    Raises:
        ValueError: When ``draws`` is below 1, the region is empty, or there is less free tissue than the region's size.
    """
    size, room = int(region.sum()), int(free.sum())
    if draws < 1:
        raise ValueError(f"draws must be at least 1 control region, got {draws}")
    if size == 0:
        raise ValueError("control regions need an anomaly, got 0 voxels: nothing was called")
    if room < size:
        raise ValueError(f"no room for control regions: the anomaly has {size} voxels, {room} others are free")
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    brain = ndimage.find_objects(free.astype(np.uint8))[0]
    shapes = [region[box], np.flip(region[box], 0)]
    hits = np.stack([_voxels_in(free[brain], shape) for shape in shapes])
    places = np.argwhere(hits >= _NEARLY_BEST * hits.max())
    controls = []
    for number, *shift in places[rng.permutation(len(places))[:draws]].tolist():
        control = np.zeros_like(free)
        control[brain] = _placed(shapes[number], shift, free[brain], size)
        controls.append(control)
    return controls


def _voxels_in(free: Mask, shape: Mask) -> NDArray[np.int64]:
    """Count, for every shift, the voxels of a shape that lie in free tissue; shift s puts its last voxel on voxel s."""
    counts = signal.correlate(free.astype(np.float32), shape.astype(np.float32), mode="full", method="fft")
    return np.rint(counts).astype(np.int64)


def _placed(shape: Mask, shift: list[int], free: Mask, size: int) -> Mask:
    """Return the ``size`` free voxels that are in a shifted shape or nearest to it."""
    margins = [(extent - 1, extent - 1) for extent in shape.shape]
    canvas = np.pad(np.zeros_like(free), margins)
    canvas[tuple(slice(start, start + extent) for start, extent in zip(shift, shape.shape))] = shape
    inside = canvas[tuple(slice(extent - 1, extent - 1 + length) for extent, length in zip(shape.shape, free.shape))]
    distance: NDArray[Any] = ndimage.distance_transform_edt(~inside)[free]
    nearest = np.zeros(len(distance), dtype=bool)
    nearest[np.argsort(distance, kind="stable")[:size]] = True
    placed = np.zeros_like(free)
    placed[free] = nearest
    return placed
