"""Eight small brains to reconstruct: an ellipse with bright and dark spots of its own in each."""

from __future__ import annotations

from collections.abc import Callable

import torch

from bundle.networks.reconstruction import ReconstructionNet


def toy_brains(size: int = 32, count: int = 8) -> torch.Tensor:
    """Return normalised images ``(count, 1, size, size)``: zeros around ellipses of mean 0 and about unit variance."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    images = torch.zeros(count, 1, size, size)
    for image in images:
        for _ in range(6):
            centre, sign = torch.rand(2, generator=generator) * 1.2 - 0.6, torch.randn(1, generator=generator)
            image += 6 * sign * torch.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 0.05)
    brain = x**2 / 0.7 + y**2 / 0.9 < 0.9
    return torch.where(brain, images + 0.01, 0.0)


def squared_error(network: ReconstructionNet, images: torch.Tensor, *, everywhere: bool = True) -> float:
    """Return the mean squared error of a network's reconstructions in evaluation mode, or that inside the brain."""
    with torch.no_grad():
        target, reconstruction = network.eval().reconstruct(images)
    squared = (target - reconstruction).square()
    return float(squared.mean() if everywhere else squared[images != 0].mean())


def overfit(
    network: ReconstructionNet, loss: Callable[..., torch.Tensor], images: torch.Tensor, iterations: int
) -> tuple[float, float]:
    """Train a network on a few images at a falling rate and return its error before and after."""
    before = squared_error(network, images)
    optimizer = torch.optim.Adam([tensor for tensor in network.parameters() if tensor.requires_grad], lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, iterations)
    for _ in range(iterations):
        optimizer.zero_grad()
        loss(network.train()(images)).backward()
        optimizer.step()
        schedule.step()
    return before, squared_error(network, images)


def error_of_the_mean(network: ReconstructionNet, images: torch.Tensor) -> float:
    """Return the error inside the brain of the best single image: what a network without codes can reach."""
    target, _ = network.reconstruct(images)
    return float((target - target.mean(0))[images != 0].square().mean())
