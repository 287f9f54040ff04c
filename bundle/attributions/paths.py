"""Sums of gradients over points between images: what integrated and expected gradients have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from tqdm import tqdm

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet


class PathPoint(NamedTuple):
    """A point b + a (x - b) between a start b and the image x, and its weight in the sum."""

    start: Callable[[], torch.Tensor]  # returns b, (N, C, *spatial) as the images or (1, C, *spatial)
    position: float  # a
    weight: float


class _Space(NamedTuple):
    """Where the points are taken: the space of images, or one that is an affine function of it."""

    embed: Callable[[torch.Tensor], torch.Tensor]
    gradient: Callable[[torch.Tensor], torch.Tensor]  # of the image logit, with respect to points of the space
    pull_back: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of a gradient to that of the images given


def sum_of_gradients(
    network: nn.Module,
    image: torch.Tensor,
    points: Sequence[PathPoint],
    *,
    internal_batch_size: int,
    progress: str | None = None,
) -> torch.Tensor:
    """Return the weighted sum of the image logit's gradients at points between starts and the images.

    The gradients are those that the network returns, so every point costs a plain forward pass. An affine first layer
    is kept out of it: its outputs at the points lie between those at the ends, and the gradients with respect to it can
    be summed before they are pulled back to the image. Both are then done once for an image, and once for a start.

    Args:
        network: network that returns predictions as AttributionNet.
        image: images, as :py:func:`bundle.attributions.common.classifier_input` returns them; starts, too.
        points: points of every image. Those with one start should follow each other.
        internal_batch_size: largest number of points in a forward pass, at least the number of images.
        progress: title of a progress bar; None shows none.

    Shape:
        - image, output: ``(N, C, *spatial)``.
    """
    space = _space_of(network)
    points_per_pass = internal_batch_size // len(image)
    with torch.no_grad():
        end, start, total = space.embed(image), torch.empty(0), torch.zeros(())
        embedded: Callable[[], torch.Tensor] | None = None
        for first in tqdm(range(0, len(points), points_per_pass), desc=progress, disable=progress is None):
            batch = points[first : first + points_per_pass]
            between = []
            for point in batch:
                if point.start is not embedded:
                    start, embedded = space.embed(point.start()), point.start
                between.append(torch.lerp(start.expand_as(end), end, point.position))
            gradients = space.gradient(torch.cat(between)).unflatten(0, (len(batch), len(image)))
            total = total + torch.tensordot(gradients.new_tensor([point.weight for point in batch]), gradients, dims=1)
        return space.pull_back(total, image)


def has_decoder(network: nn.Module) -> bool:
    """Tell whether a network computes its attributions by a decoder, without automatic differentiation."""
    return isinstance(network, AttributionNet) and network.method == "decoder"


def _space_of(network: nn.Module) -> _Space:
    classifier: Any = network.classifier if has_decoder(network) else None
    if getattr(classifier, "stem_is_affine", False):
        return _Space(classifier.stem, lambda z: classifier.decode(z, len(z))[1], classifier.stem_pullback)
    return _Space(lambda x: x, _gradient_of(network), lambda gradient, image: gradient)


def _gradient_of(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    if isinstance(network, AttributionNet):
        return lambda z: network.logits_and_attribution(z)[1]
    return lambda x: split_prediction(network(x))[0]
