"""What attribution methods share: the logit they explain, batches of bounded size, and the check of a count."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet


def classifier_input(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Return what attributions are taken with respect to: the images as an AttributionNet's atlas returns them.

    Of a network without atlas, or with its prediction tensor only, that is the images themselves.

    Args:
        network: AttributionNet, or a network with its prediction tensor.
        image: images.

    Shape:
        - image, output: ``(B, C, *spatial)``.
    """
    with torch.no_grad():
        return network.atlas(image) if isinstance(network, AttributionNet) else image


def image_logit(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Compute the image logit F so that autograd can differentiate it.

    An AttributionNet is asked for its classifier's logits only: its prediction costs the attribution as well, and is
    cut from the graph in eval mode.

    Args:
        network: AttributionNet, or a network with its prediction tensor.
        image: images as `classifier_input` returns them.

    Shape:
        - image: ``(B, C, *spatial)``.
        - output: ``(B, 1)``.
    """
    if isinstance(network, AttributionNet):
        return network.classifier(image).flatten(1).mean(1, keepdim=True)
    return split_prediction(network(image))[1]


def map_in_batches(function: Callable[..., torch.Tensor], *tensors: torch.Tensor, max_batch_size: int) -> torch.Tensor:
    """Apply a function to at most ``max_batch_size`` images at a time and put its results together again.

    Args:
        function: function of as many tensors as given, which treats the images of a batch apart.
        tensors: arguments of the function, split along their first axis together.
        max_batch_size: largest number of images in a call.

    Shape:
        - tensors, output: ``(B, ...)``.
    """
    batches = zip(*(tensor.split(max_batch_size) for tensor in tensors), strict=True)
    return torch.cat([function(*batch) for batch in batches])


def check_count(name: str, value: int) -> None:
    """Raise ValueError unless ``value``, the argument ``name``, is a whole number of at least 1."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")
