"""Attribution maps in float64, one image and one point at a time, by autograd and NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch


def gradient(classifier: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> np.ndarray:
    """Derivative of the mean logit of one image (C, *spatial)."""
    point = image[None].clone().requires_grad_(True)
    (derivative,) = torch.autograd.grad(classifier(point).mean(), point)
    return derivative[0].numpy()


def integrated_gradients(
    classifier: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, baseline: torch.Tensor, n_steps: int
) -> np.ndarray:
    """Gauss-Legendre quadrature of the gradient on the line; nodes and weights moved from [-1, 1] to [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    points = [baseline + 0.5 * (node + 1.0) * (image - baseline) for node in nodes]
    return sum(0.5 * w * gradient(classifier, point) for w, point in zip(weights, points, strict=True))


def expected_gradients(
    classifier: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    draws: Sequence[tuple[torch.Tensor, float]],
) -> np.ndarray:
    """Mean gradient over points between a reference and the image."""
    points = [(1.0 - a) * reference + a * image for reference, a in draws]
    return np.mean([gradient(classifier, point) for point in points], axis=0)


def grad_cam(
    features: torch.Tensor, head: Callable[[torch.Tensor], torch.Tensor], spatial: Sequence[int]
) -> np.ndarray:
    """Channels (1, K, *spatial') weighted by the mean derivative of the head's mean logit, then upsampled."""
    leaf = features.detach().clone().requires_grad_(True)
    (derivative,) = torch.autograd.grad(head(leaf).mean(), leaf)
    channels = zip(derivative[0].numpy(), leaf[0].detach().numpy(), strict=True)
    return upsample(sum(g.mean() * a for g, a in channels), spatial)


def upsample(values: np.ndarray, spatial: Sequence[int]) -> np.ndarray:
    """Linear interpolation axis by axis between voxel centres, constant beyond the outermost ones."""
    for axis, size in enumerate(spatial):
        old = values.shape[axis]
        centres = (np.arange(size) + 0.5) * old / size - 0.5
        values = np.apply_along_axis(lambda line, c=centres: np.interp(c, np.arange(len(line)), line), axis, values)
    return values
