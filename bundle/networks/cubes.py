"""Take an image apart into cubes of voxels and put it together again."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def split_cubes(image: torch.Tensor, edge: int) -> torch.Tensor:
    """Give the voxels of every cube an axis of their own: the inverse of `join_cubes`.

    Args:
        image: images.
        edge: edge of the cubes in voxels; the cubes at the far borders are filled up with 0.

    Shape:
        - image: ``(B, C, *spatial)``.
        - output: ``(B, C, edge**D, *cubes)``, D spatial axes, ``cubes = ceil(spatial / edge)``.
    """
    padding: list[int] = []
    for size in image.shape[2:]:
        padding = [0, -size % edge] + padding
    image = F.pad(image, padding)
    split, order, within = [image.shape[0], image.shape[1]], [0, 1], 1
    for axis in range(2, image.dim()):
        split = split + [image.shape[axis] // edge, edge]
        order = order + [2 * axis - 1]
        within = within * edge
    cubes = split[2::2]
    order = order + [axis - 1 for axis in order[2:]]
    return image.reshape(split).permute(order).reshape(split[:2] + [within] + cubes)


def join_cubes(cubes: torch.Tensor, edge: int) -> torch.Tensor:
    """Interleave the voxels of cubes to images.

    Args:
        cubes: voxels of every cube.
        edge: edge of the cubes in voxels.

    Shape:
        - cubes: ``(B, C, edge**D, *cubes)``, D spatial axes.
        - output: ``(B, C, *(edge * cubes))``.
    """
    dims = cubes.dim() - 3
    split, order = [cubes.shape[0], cubes.shape[1]] + [edge] * dims + list(cubes.shape[3:]), [0, 1]
    joined = [cubes.shape[0], cubes.shape[1]]
    for axis in range(2, 2 + dims):
        order = order + [dims + axis, axis]
        joined = joined + [edge * cubes.shape[1 + axis]]
    return cubes.reshape(split).permute(order).reshape(joined)
