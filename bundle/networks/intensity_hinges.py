"""Hinges of a voxel's own intensity: what lets an attribution map resolve single voxels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from bundle.networks.cubes import join_cubes, split_cubes

MAX_KNOTS = 255  # the knots below a voxel are counted in a byte


class IntensityHinges(nn.Module):
    """Expand every image channel into one hinge per knot, leaky rectifier of intensity minus knot, and pool the hinges.

    Their weighted sums are the piecewise linear functions of a voxel's own intensity. The derivative through them
    depends on how bright the voxel itself is, so an attribution map resolves single voxels in spite of the pooling and
    the strides that follow, and a brightness that no healthy tissue has is told apart from the first step of the
    training. Pooled by 2, the convolutions work on an eighth of the voxels of a volume.

    Args:
        knots: intensities at which a hinge bends, rising; none leaves the image as it is, without pooling.
        slope: slope of a hinge below its knot.
        pooling: edge, in voxels, of the cubes that the hinges are averaged over. Voxels beyond the border count as 0.
        linear: put the image itself before its hinges; without knots it is not put there a second time.

    Shape:
        - input: ``(B, C, *spatial)``.
        - output: ``(B, C * features, *pooled)`` with ``pooled = ceil(spatial / pooling)`` and one feature per knot, one
          more when ``linear``; the input when there are no knots.

    Raises:
        ValueError: When the knots do not rise or are more than 255, or ``pooling`` is below 1, or above 1 without
            knots.
    """

    def __init__(self, knots: Sequence[float], slope: float, pooling: int = 1, linear: bool = False) -> None:
        super().__init__()
        if list(knots) != sorted(set(knots)) or len(knots) > MAX_KNOTS:
            raise ValueError(f"knots must be at most {MAX_KNOTS} rising intensities, got {list(knots)}.")
        if pooling < 1 or (pooling > 1 and len(knots) == 0):
            raise ValueError(f"pooling must be at least 1, and 1 without knots, got {pooling} for {len(knots)} knots.")
        # Kept with the weights, which mean nothing under other knots; an image left as it is keeps nothing.
        self.register_buffer("knots", torch.tensor(knots, dtype=torch.float32), persistent=len(knots) > 0)
        self.slope = slope
        self.pooling = pooling
        self.linear = linear
        self.features = max(1, len(knots) + int(linear and len(knots) > 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled features, all channels of the first one first."""
        if self.knots.numel() == 0:
            return x
        cubes = split_cubes(x, self.pooling)
        inside = split_cubes(torch.ones_like(x[:1, :1]), self.pooling).mean(2)  # share of a cube within the border
        mean = cubes.mean(2)
        linear = self.slope * mean
        pooled: list[torch.Tensor] = [mean] if self.linear else []
        # leaky(v) = slope v + (1 - slope) relu(v), without what the zeros beyond the border add. Knot by knot: the
        # hinges of all knots at the image's full size would not fit into a processor's cache.
        for knot in self._knots_like(x):
            above = F.relu(cubes - knot, inplace=True).mean(2)
            outside = self.slope * inside * knot + (1.0 - self.slope) * (1.0 - inside) * F.relu(-knot)
            pooled.append(torch.add(linear, above, alpha=1.0 - self.slope) - outside)
        return torch.cat(pooled, dim=1)

    def pullback(self, grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the image ``x`` from the one with respect to the pooled features.

        Between two knots the derivative is constant: that of the hinges below times 1 and of those above times the
        slope. There is one such sum per interval and cube, and every voxel picks that of the interval it lies in.
        """
        knots = self._knots_like(x)
        if knots.numel() == 0:
            return grad
        cubes = split_cubes(x, self.pooling)
        interval = torch.zeros(cubes.shape, dtype=torch.uint8, device=x.device)
        for knot in knots:
            interval += (cubes > knot).to(torch.uint8)
        grad = grad.reshape([x.shape[0], self.features, x.shape[1]] + list(grad.shape[2:])).transpose(1, 2)
        grad = grad.to(x.dtype) / cubes.shape[2]
        hinges = grad[:, :, 1:] if self.linear else grad
        below, step = self.slope * hinges.sum(2, keepdim=True), (1.0 - self.slope) * hinges
        if self.linear:
            below = below + grad[:, :, :1]
        sums = torch.cat([below, step], dim=2).cumsum(2)
        joined = join_cubes(sums.gather(2, interval.long()), self.pooling)
        for axis in range(2, x.dim()):
            joined = joined.narrow(axis, 0, x.shape[axis])
        return joined

    def output_size(self, x: torch.Tensor) -> list[int]:
        """Return the spatial size of the pooled features of ``x``."""
        return [(size + self.pooling - 1) // self.pooling for size in x.shape[2:]]

    def _knots_like(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.knots, dtype=x.dtype)
