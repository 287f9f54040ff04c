"""GradCAM: the feature maps of a layer, each weighted by the mean derivative of the logit with respect to it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from monai.visualize.visualizer import default_upsampler
from torch import nn

from bundle.attributions.base import Attribution
from bundle.attributions.common import classifier_input, image_logit
from bundle.networks import AttributionNet


class GradCAMAttribution(Attribution):
    """Sum w_k A^k over the channels k of a layer, w_k being the spatial mean of dF/dA^k, upsampled linearly.

    Without a rectifier: negative values speak for health, as in every other map. The unit is the logit, not the logit
    per unit of intensity, and all image channels are given the same map.

    Args:
        target_layer: name of the module in the network whose output is A, such as ``"classifier.blocks.3"``; of a
            tuple the first tensor counts. None takes the last feature map of an AttributionNet's classifier, see
            `last_feature_layer`.

    Shape:
        As :py:class:`bundle.attributions.Attribution`.

    Raises:
        ValueError: When the network has no module of that name, the module returns no feature map or is not run, or
            no layer is named and the network is no AttributionNet.

    Source:
        Selvaraju et al., ICCV 2017, eq. 1 and 2; without the rectifier of eq. 2 as in Wargnier-Dauchelle et al.,
        IEEE TMI 42(11), 2023, section IV. A hook of our own, because the layer after the target may work in place.
    """

    def __init__(self, target_layer: str | None = None) -> None:
        self.target_layer = target_layer

    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Differentiate the logit with respect to the layer's output and upsample the weighted sum."""
        image = classifier_input(network, image)
        name = last_feature_layer(network, image) if self.target_layer is None else self.target_layer
        features, gradient = _features_and_gradient(network, name, image)
        weights = gradient.mean(list(range(2, gradient.dim())), keepdim=True)
        cam = (weights * features).sum(1, keepdim=True)
        return default_upsampler(image.shape[2:])(cam).expand_as(image)


def last_feature_layer(network: nn.Module, image: torch.Tensor) -> str:
    """Return the name of the module that makes the last feature map: several channels and more than one voxel.

    That is the last hidden block of a PatchGAN, and the activation before the global pooling of a DenseNet or ResNet.

    Args:
        network: AttributionNet.
        image: input of the classifier; the first image is enough.

    Shape:
        - image: ``(B, C, *spatial)``.

    Raises:
        ValueError: When the network is no AttributionNet, or its classifier makes no feature map.
    """
    if not isinstance(network, AttributionNet):
        raise ValueError(
            f"target_layer must name a module of a network that is no AttributionNet, got None for "
            f"{type(network).__name__}. Name the one that returns the last feature map."
        )
    names: list[str] = []

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        features = _first(output)
        if _is_feature_map(features, image) and features.shape[1] > 1 and features[0, 0].numel() > 1:
            names.append(name)

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.classifier.named_modules(prefix="classifier"):
            hooks.enter_context(module.register_forward_hook(partial(note, name)))
        network.classifier(image[:1])
    if not names:
        raise ValueError(
            f"the classifier must make a feature map of several channels and voxels, got none in "
            f"{type(network.classifier).__name__} for an image of {tuple(image.shape[2:])}. Use larger images."
        )
    return names[-1]


def _features_and_gradient(network: nn.Module, name: str, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output of a layer and the derivative of the image logit with respect to it."""
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        features = _first(output)
        if not _is_feature_map(features, image):
            raise ValueError(
                f"target_layer must return a feature map with {image.dim() - 2} spatial axes, got {name!r} with "
                f"{tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__}. "
                "Name a convolution block."
            )
        kept.append(features)
        copied = features.clone()  # the next layer may work in place
        return (copied, *output[1:]) if isinstance(output, tuple) else copied

    with torch.enable_grad():
        with _layer(network, name).register_forward_hook(keep):
            logit = image_logit(network, image.requires_grad_(True))
        if not kept:
            raise ValueError(f"target_layer must take part in the decision, got {name!r}, which was not run.")
        (gradient,) = torch.autograd.grad(logit.sum(), kept[-1])
    return kept[-1].detach(), gradient


def _layer(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError as error:
        raise ValueError(
            f"target_layer must name a module of the network, got {name!r}. network.named_modules() lists them."
        ) from error


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _is_feature_map(features: Any, image: torch.Tensor) -> bool:
    return isinstance(features, torch.Tensor) and features.dim() == image.dim()
