"""Networks whose logit is a convex function of the image, so that their attributions do not saturate.

Leaky rectifiers are convex and rise, so a stack of convolutions is convex in the image when no weight after the first
convolution is negative. The weights of the first one are free where they meet the image itself; where they meet
hinges, which are convex already, they are at least 0 too.

The derivative of a convex F never falls on the way into a lesion: for any two images <A(x) - A(y), x - y> >= 0. The
inside of a large lesion, which an unconstrained classifier stops to answer for once its edge has decided the case,
keeps its attribution. And the images called healthy, F(x) <= 0, are a convex set: a mixture of two of them is one too.

Source:
    Amos, Xu and Kolter, Input convex neural networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

_HINGES_SCALE = 0.3  # of their first weights: what all have in common is a constant that a bias has to undo
_GAIN = 2.0  # sum of the first weights of an output that sees nothing but ones, after the first convolution


@torch.no_grad()
def initialise_convex(convolutions: Sequence[nn.Conv2d | nn.Conv3d], image_channels: int) -> None:
    """Turn drawn weights into first weights of a convex network.

    Args:
        convolutions: of a classifier, from the image on, with weights drawn around zero.
        image_channels: how many of the first one's input channels are the image itself.
    """
    first, *others = convolutions
    first.weight[:, image_channels:].abs_().mul_(_HINGES_SCALE)
    for convolution in others:
        weight = convolution.weight.abs_()
        weight.mul_(_GAIN / (weight[0].numel() * weight.mean()))


@torch.no_grad()
def project_convex(convolutions: Sequence[nn.Conv2d | nn.Conv3d], image_channels: int) -> None:
    """Set the weights that keep the network from being convex to 0, the nearest ones that do not.

    Args:
        convolutions: of a classifier, from the image on.
        image_channels: how many of the first one's input channels are the image itself.
    """
    first, *others = convolutions
    first.weight[:, image_channels:].clamp_(min=0.0)
    for convolution in others:
        convolution.weight.clamp_(min=0.0)
