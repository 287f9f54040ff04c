"""Layers that know their own derivative: the building blocks of the attribution decoder.

Every layer here is an ordinary PyTorch layer with one more method, ``pullback``, which turns the derivative of a scalar
with respect to the layer's output into its derivative with respect to the layer's input. Chained from the last layer
to the first they are a decoder that shares the classifier's weights and whose output is the input gradient. It is made
of first-order operations, so training through it needs no double backpropagation and exporting it needs no autograd.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

NORMS = ("batch", "group", "instance", "none")


def _is_exporting() -> bool:
    """Tell whether torch.export or torch.onnx is reading the network.

    It then takes only forms that ONNX has: the exporter drops an average's own divisor without a word, and a transposed
    convolution there has no output padding that depends on the input's size.
    """
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return False
    else:  # TorchScript skips this branch; what follows a return it would read
        return torch.compiler.is_exporting()


def conv_pullback(
    grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], stride: int, padding: int
) -> torch.Tensor:
    """Pull a derivative back through a convolution: the transposed convolution with the same weight.

    Args:
        grad: derivative with respect to the convolution's output.
        weight: the convolution's weight.
        input_size: spatial size of the convolution's input; it fixes the transposed convolution's output padding,
            which the output size alone leaves open for strides above 1.
        stride: stride along every axis.
        padding: zero padding on both sides of every axis.

    Shape:
        - grad: ``(B, C_out, *spatial_out)``.
        - weight: ``(C_out, C_in, *kernel)``.
        - output: ``(B, C_in, *input_size)``.
    """
    exporting = _is_exporting()
    output_padding = [
        # Exported, it is the largest that any size needs, and what is too much is cut off below.
        stride - 1
        if exporting
        else input_size[i] - ((grad.shape[2 + i] - 1) * stride - 2 * padding + weight.shape[2 + i])
        for i in range(len(input_size))
    ]
    if len(input_size) == 3:
        grad = F.conv_transpose3d(
            grad, weight, stride=[stride] * 3, padding=[padding] * 3, output_padding=output_padding
        )
    else:
        grad = F.conv_transpose2d(
            grad, weight, stride=[stride] * 2, padding=[padding] * 2, output_padding=output_padding
        )
    if exporting:
        for i in range(len(input_size)):
            grad = grad.narrow(2 + i, 0, input_size[i])
    return grad


def leaky_relu_pullback(grad: torch.Tensor, z: torch.Tensor, slope: float) -> torch.Tensor:
    """Pull a derivative back through a leaky rectifier with input ``z`` (all of one shape)."""
    # PyTorch's own derivative: one pass over memory, where torch.where(z > 0, ...) makes two temporaries.
    return torch.ops.aten.leaky_relu_backward(grad, z, slope, False)


class IntensityHinges(nn.Module):
    """Expand every image channel into one hinge per knot, leaky rectifier of intensity minus knot, and pool the hinges.

    Their weighted sums are the piecewise linear functions of a voxel's own intensity. The derivative through them
    depends on how bright the voxel itself is, so an attribution map resolves single voxels in spite of the pooling and
    the strides that follow, and a brightness that no healthy tissue has is told apart from the first step of the
    training. Pooled by 2, the convolutions work on an eighth of the voxels of a volume.

    Args:
        knots: intensities at which a hinge bends; none leaves the image as it is, without pooling.
        slope: slope of a hinge below its knot.
        pooling: edge, in voxels, of the cubes that the hinges are averaged over. Voxels beyond the border count as 0.

    Shape:
        - input: ``(B, C, *spatial)``.
        - output: ``(B, C * len(knots), *pooled)`` with ``pooled = ceil(spatial / pooling)``, or the input.

    Raises:
        ValueError: When ``pooling`` is below 1, or above 1 without knots.
    """

    def __init__(self, knots: Sequence[float], slope: float, pooling: int = 1) -> None:
        super().__init__()
        if pooling < 1 or (pooling > 1 and len(knots) == 0):
            raise ValueError(f"pooling must be at least 1, and 1 without knots, got {pooling} for {len(knots)} knots.")
        # Kept with the weights, which mean nothing under other knots; an image left as it is keeps nothing.
        self.register_buffer("knots", torch.tensor(knots, dtype=torch.float32), persistent=len(knots) > 0)
        self.slope = slope
        self.pooling = pooling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled hinges, all channels of the first knot first."""
        if self.knots.numel() == 0:
            return x
        # Knot by knot: the hinges of all knots at the image's full size would not fit into a processor's cache.
        return torch.cat([self._pool(F.leaky_relu(x - knot, self.slope)) for knot in self._knots_like(x)], dim=1)

    def pullback(self, grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the image ``x`` from the one with respect to the pooled hinges."""
        if self.knots.numel() == 0:
            return grad
        total = torch.zeros_like(x)
        for i, knot in enumerate(self._knots_like(x)):
            hinge_grad = self._unpool(grad[:, i * x.shape[1] : (i + 1) * x.shape[1]], x)
            total = total + leaky_relu_pullback(hinge_grad, x - knot, self.slope)
        return total

    def _knots_like(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.knots, dtype=x.dtype)

    def _pool(self, hinge: torch.Tensor) -> torch.Tensor:
        edge = self.pooling
        if edge == 1:
            return hinge
        if _is_exporting():  # fill up the cubes at the border, which makes the divisor the number of their voxels
            padding: list[int] = []
            for size in hinge.shape[2:]:
                padding = [0, -size % edge] + padding
            hinge = F.pad(hinge, padding)
        if hinge.dim() == 5:
            return F.avg_pool3d(hinge, edge, ceil_mode=True, divisor_override=edge * edge * edge)
        return F.avg_pool2d(hinge, edge, ceil_mode=True, divisor_override=edge * edge)

    def _unpool(self, grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if self.pooling == 1:
            return grad
        grad = F.interpolate(grad, scale_factor=float(self.pooling)) / float(self.pooling ** (x.dim() - 2))
        for axis in range(2, x.dim()):
            grad = grad.narrow(axis, 0, x.shape[axis])
        return grad


def _standardised_pullback(grad: torch.Tensor, z: torch.Tensor, axes: list[int], eps: float) -> torch.Tensor:
    """Pull a derivative back through ``(z - mean) / sqrt(var + eps)`` with the statistics taken over ``axes``."""
    centred = z - z.mean(axes, keepdim=True)
    inverse_sd = torch.rsqrt(centred.square().mean(axes, keepdim=True) + eps)
    standardised = centred * inverse_sd
    along = (grad * standardised).mean(axes, keepdim=True)
    return inverse_sd * (grad - grad.mean(axes, keepdim=True) - standardised * along)


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
        shape = [z.shape[0], self.num_groups, -1]
        grad = (grad * _per_channel(self.weight, z.dim())).reshape(shape)
        return _standardised_pullback(grad, z.reshape(shape), [2], self.eps).reshape(z.shape)


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

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the block's output and the inputs of its normalisation and of its activation."""
        z = self.conv(x)
        if self.norm_before_activation:
            normalised = self.norm(z)
            return F.leaky_relu(normalised, self.slope), z, normalised
        activated = F.leaky_relu(z, self.slope)
        return self.norm(activated), activated, z

    def pullback(
        self, grad: torch.Tensor, norm_input: torch.Tensor, activation_input: torch.Tensor, input_size: list[int]
    ) -> torch.Tensor:
        """Return the derivative with respect to the block's input from the one with respect to its output."""
        if self.norm_before_activation:
            grad = leaky_relu_pullback(grad, activation_input, self.slope)
            grad = self.norm.pullback(grad, norm_input)
        else:
            grad = self.norm.pullback(grad, norm_input)
            grad = leaky_relu_pullback(grad, activation_input, self.slope)
        return conv_pullback(grad, self.conv.weight, input_size, self.stride, self.padding)
