"""Put a brain into a synthetic head: the true brain mask of a volume with skull, which no public FLAIR here has.

Around any extracted brain, synthetic or real, go fluid, dura, skull with marrow, scalp, and below it a neck with a
spinal cord, orbits and a face of muscle, fat and air. Brain extraction is measured on such heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_SIDE_MM, _TOP_MM, _NECK_MM = 20.0, 20.0, 30.0  # air beside and above the brain; length of neck below it
_HULL_MM = 10.0  # sulci narrower than twice this lie inside the skull


@dataclass(frozen=True)
class Head:
    """A brain in its head.

    Args:
        image: FLAIR with skull, ``(X, Y, Z)``.
        brain: true brain mask, ``(X, Y, Z)``.
        offset: index of the given volume's voxel (0, 0, 0) within the head.
    """

    image: FloatArray
    brain: BoolArray
    offset: tuple[int, int, int]


def add_head(image: FloatArray, spacing_mm: float, seed: int) -> Head:
    """Return an extracted brain inside a head.

    Args:
        image: brain, 0 outside; axes in RAS+ order, cubic voxels.
        spacing_mm: edge of the voxels.
        seed: seed of thickness, brightness and texture.

    Shape:
        - image: ``(X, Y, Z)``; the head has more voxels on every side.
    """
    rng = np.random.default_rng(seed)
    side, top, neck = (round(length / spacing_mm) for length in (_SIDE_MM, _TOP_MM, _NECK_MM))
    padded = np.pad(np.asarray(image, np.float32), ((side, side), (side, side), (neck, top)))
    brain = ndimage.binary_fill_holes(padded > 0)
    tissue = float(np.median(padded[brain]))
    depth_mm = _outside_mm(_hull(brain, spacing_mm), spacing_mm)
    head = tissue * _shells(rng, depth_mm, brain, spacing_mm)
    head[brain] = padded[brain]
    sigma = tissue * rng.uniform(0.015, 0.04)
    outside = ~brain  # the brain has its own noise
    noisy = np.hypot(head + sigma * rng.standard_normal(head.shape), sigma * rng.standard_normal(head.shape))
    head[outside] = noisy[outside]
    return Head(head.astype(np.float32), brain, (side, side, neck))


def _hull(brain: BoolArray, spacing_mm: float) -> BoolArray:
    """Close the sulci of a brain, because a skull does not follow them."""
    away = ndimage.distance_transform_edt(~brain) * spacing_mm
    grown = away <= _HULL_MM
    return brain | (ndimage.distance_transform_edt(grown) * spacing_mm > _HULL_MM)


def _outside_mm(region: BoolArray, spacing_mm: float) -> FloatArray:
    """Return the distance to a region, smoothed a little; 0 inside."""
    distance = ndimage.distance_transform_edt(~region) * spacing_mm
    return ndimage.gaussian_filter(distance, 1.5 / spacing_mm).astype(np.float32)


def _shells(rng: np.random.Generator, depth_mm: FloatArray, brain: BoolArray, spacing_mm: float) -> FloatArray:
    """Return the brightness of everything around the brain, relative to brain tissue."""
    shape = depth_mm.shape
    texture = _field(rng, shape, 5.0 / spacing_mm)
    broad = _field(rng, shape, 18.0 / spacing_mm)
    fluid_mm, table_mm = rng.uniform(0.5, 2.5), rng.uniform(1.5, 2.5)
    marrow_mm, scalp_mm = rng.uniform(1.0, 4.0), rng.uniform(4.0, 8.0)
    depth_mm -= np.float32(0.5 * fluid_mm) * broad.clip(-1.5, 2)  # fluid is wider in some places
    bounds = np.cumsum([fluid_mm, 0.8, table_mm, marrow_mm, table_mm, scalp_mm])
    values = [rng.uniform(0.1, 0.25), rng.uniform(0.3, 0.8), 0.06, rng.uniform(0.4, 0.9), 0.06, rng.uniform(0.9, 1.7)]
    result = np.zeros(shape, np.float32)
    below = _below(brain, spacing_mm)
    for outer, value in reversed(list(zip(bounds, values, strict=True))):
        result = np.where(depth_mm <= outer, value * (1 + 0.15 * texture), result)
    face = below & (depth_mm > bounds[1])
    soft = np.select([broad + 0.5 * texture > 0.6, broad + 0.5 * texture < -0.7], [rng.uniform(1.0, 1.6), 0.05], 0.55)
    result = np.where(face, soft * (1 + 0.15 * texture), result)
    return _cord_and_eyes(result, brain, spacing_mm).clip(min=0).astype(np.float32)


def _below(brain: BoolArray, spacing_mm: float) -> BoolArray:
    """Return neck and face: below the brain's centre, within an ellipse as wide as three quarters of the head."""
    x, y, z = _millimetres(brain, spacing_mm)
    (width, length), front = _extent_mm(brain, spacing_mm), 12.0
    ellipse = (x / (0.42 * width)) ** 2 + ((y - front) / (0.5 * length)) ** 2 < 1
    return ellipse & (z < -15.0)


def _cord_and_eyes(head: FloatArray, brain: BoolArray, spacing_mm: float) -> FloatArray:
    """Add the spinal cord in its fluid below the brain stem, and two eyes in the orbits."""
    x, y, z = _millimetres(brain, spacing_mm)
    lowest = np.argwhere(brain)
    lowest = lowest[lowest[:, 2] <= lowest[:, 2].min() + round(6 / spacing_mm)].mean(axis=0)
    stem_x, stem_y, stem_z = (axis.ravel()[round(index)] for axis, index in zip((x, y, z), lowest, strict=True))
    radius = np.hypot(x - stem_x, y - stem_y)
    canal = z < stem_z
    head = np.where(canal & (radius < 11) & ~brain, 0.15, head)
    head = np.where(canal & (radius < 6) & ~brain, 0.9, head)
    _, length = _extent_mm(brain, spacing_mm)
    for side in (-1, 1):
        centre = (side * 32.0, 0.5 * length + 2.0, -38.0)
        away = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
        head = np.where((away < 17) & ~brain, 1.3, head)
        head = np.where((away < 12) & ~brain, 0.12, head)
    return np.where(brain, 0, head)


def _millimetres(brain: BoolArray, spacing_mm: float) -> list[FloatArray]:
    """Return coordinates from the centre of the brain's bounding box, one broadcastable axis each."""
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    axes = [
        (np.arange(size) - (part.start + part.stop - 1) / 2) * spacing_mm
        for size, part in zip(brain.shape, box, strict=True)
    ]
    return [axis.astype(np.float32) for axis in np.ix_(*axes)]


def _extent_mm(brain: BoolArray, spacing_mm: float) -> tuple[float, float]:
    """Return width and length of a brain."""
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    width, length, _ = ((part.stop - part.start) * spacing_mm for part in box)
    return width, length


def _field(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> FloatArray:
    """Return a smooth random field of unit variance."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return field / field.std()
