"""Layers that know their own derivative: the building blocks of the attribution decoder.

Every layer here is an ordinary PyTorch layer with one more method, ``pullback``, which turns the derivative of a scalar
with respect to the layer's output into its derivative with respect to the layer's input. Chained from the last layer
to the first they are a decoder that shares the classifier's weights and whose output is the input gradient. It is made
of first-order operations, so training through it needs no double backpropagation and exporting it needs no autograd.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from bundle.networks.conv_pullback import conv_pullback

NORMS = ("batch", "group", "instance", "none")


def leaky_relu_pullback(grad: torch.Tensor, z: torch.Tensor, slope: float) -> torch.Tensor:
    """Pull a derivative back through a leaky rectifier with input ``z`` (all of one shape)."""
    # PyTorch's own derivative: one pass over memory, where torch.where(z > 0, ...) makes two temporaries. Only the sign
    # of z counts, so nothing is differentiated with respect to it: autograd would pass zeros through all layers before.
    return torch.ops.aten.leaky_relu_backward(grad, z.detach().to(grad.dtype), slope, False)


def _standardised_pullback(grad: torch.Tensor, z: torch.Tensor, axes: list[int], eps: float) -> torch.Tensor:
    """Pull a derivative back through ``(z - mean) / sqrt(var + eps)`` with the statistics taken over ``axes``."""
    centred = z - z.mean(axes, keepdim=True)
    inverse_variance = (centred.square().mean(axes, keepdim=True) + eps).reciprocal()
    inverse_sd = inverse_variance.sqrt()
    along = inverse_variance * inverse_sd * (grad * centred).mean(axes, keepdim=True)
    shifted = torch.addcmul(-inverse_sd * grad.mean(axes, keepdim=True), grad, inverse_sd)
    return torch.addcmul(shifted, centred, along, value=-1)


def _per_channel(parameter: torch.Tensor, dims: int) -> torch.Tensor:
    """Reshape one value per channel so that it broadcasts over ``(B, C, *spatial)`` of ``dims`` axes."""
    return parameter.reshape([1, parameter.shape[0]] + [1] * (dims - 2))


class GroupNorm(nn.GroupNorm):
    """Group normalisation with its derivative; one group per channel makes it instance normalisation.

    Shape:
        - input, output: ``(B, C, *spatial)``.
    """

    def pullback(self, grad: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the input ``z`` from the one with respect to the output."""
        groups = [z.shape[0], self.num_groups, z.shape[1] // self.num_groups] + list(z.shape[2:])
        axes = [i for i in range(2, z.dim() + 1)]  # noqa: C416 (TorchScript has no list(range(...)) here)
        grad = grad * _per_channel(self.weight, z.dim())
        z = z.to(self.weight.dtype)
        return _standardised_pullback(grad.reshape(groups), z.reshape(groups), axes, self.eps).reshape(z.shape)


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation of 2D or 3D feature maps with its derivative.

    In training mode the statistics couple the images of a batch: the pulled-back derivative then is that of the *sum*
    of all image logits of the batch, as for ``autograd.grad``.

    Shape:
        - input, output: ``(B, C, *spatial)``.
    """

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() != 4 and input.dim() != 5:
            raise ValueError(
                f"BatchNorm expects (B, C, *spatial) with 2 or 3 spatial axes, got shape {list(input.shape)}. "
                "Add the batch and channel axes."
            )

    def pullback(self, grad: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the input ``z`` from the one with respect to the output."""
        grad = grad * _per_channel(self.weight, z.dim())
        running_var = self.running_var
        if self.training or running_var is None:
            axes = [0] + [i for i in range(2, z.dim())]  # noqa: C416 (TorchScript has no list(range(...)) here)
            return _standardised_pullback(grad, z, axes, self.eps)
        return grad * _per_channel(torch.rsqrt(running_var + self.eps), z.dim())


class NoNorm(nn.Identity):
    """No normalisation, with the same interface as the layers that do normalise."""

    def pullback(self, grad: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return ``grad`` itself."""
        return grad


def make_norm(norm: str, channels: int, groups: int) -> nn.Module:
    """Make an affine normalisation layer that knows its derivative.

    Args:
        norm: one of ``"batch"``, ``"group"``, ``"instance"``, ``"none"``.
        channels: number of channels to normalise.
        groups: number of channel groups of ``"group"``; the largest divisor of ``channels`` up to it is taken.

    Raises:
        ValueError: When ``norm`` is unknown.
    """
    if norm == "batch":
        return BatchNorm(channels)
    if norm == "group":
        return GroupNorm(max(g for g in range(1, groups + 1) if channels % g == 0), channels)
    if norm == "instance":
        return GroupNorm(channels, channels)
    if norm == "none":
        return NoNorm()
    raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}.")


class ConvBlock(nn.Module):
    """Convolution, normalisation and leaky rectifier, with the derivative of the whole.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: stride along every axis.
        norm: see `make_norm`.
        norm_groups: see `make_norm`.
        norm_before_activation: normalise the convolution's output (the usual order), or the activation's.
        bias: whether the convolution has a bias.
        slope: slope of the rectifier for negative inputs; 1 leaves the activation out.

    Shape:
        - input: ``(B, in_channels, *spatial)``, every axis at least 2 voxels.
        - output: ``(B, out_channels, *spatial_out)``.
    """

    KERNEL = 4
    PADDING = 1

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        norm: str,
        norm_groups: int,
        norm_before_activation: bool,
        bias: bool,
        slope: float,
    ) -> None:
        super().__init__()
        conv = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        self.conv = conv(in_channels, out_channels, self.KERNEL, stride=stride, padding=self.PADDING, bias=bias)
        self.norm = make_norm(norm, out_channels, norm_groups)
        self.norm_before_activation = norm_before_activation
        self.stride = stride
        self.padding = self.PADDING
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return self.rectify(self.conv(x))[0]

    def rectify(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the block's output from that of its convolution, and the inputs of normalisation and rectifier."""
        if self.norm_before_activation:
            normalised = self.norm(z)
            return F.leaky_relu(normalised, self.slope), z, normalised
        activated = F.leaky_relu(z, self.slope)
        return self.norm(activated), activated, z

    def rectify_pullback(
        self, grad: torch.Tensor, norm_input: torch.Tensor, activation_input: torch.Tensor
    ) -> torch.Tensor:
        """Return the derivative with respect to the convolution's output from the one with respect to the block's."""
        if self.norm_before_activation:
            return self.norm.pullback(leaky_relu_pullback(grad, activation_input, self.slope), norm_input)
        return leaky_relu_pullback(self.norm.pullback(grad, norm_input), activation_input, self.slope)

    def conv_pullback(self, grad: torch.Tensor, input_size: list[int]) -> torch.Tensor:
        """Return the derivative with respect to the block's input from the one with respect to its convolution's."""
        return conv_pullback(grad, self.conv.weight, input_size, self.stride, self.padding)
