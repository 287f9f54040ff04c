"""The derivative of a convolution with respect to its input."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from bundle.networks.cubes import join_cubes


def conv_pullback(
    grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], stride: int, padding: int
) -> torch.Tensor:
    """Pull a derivative back through a convolution: the transposed convolution with the same weight.

    Args:
        grad: derivative with respect to the convolution's output.
        weight: the convolution's weight.
        input_size: spatial size of the convolution's input, which the output size alone leaves open for strides above
            1.
        stride: stride along every axis.
        padding: zero padding on both sides of every axis.

    Shape:
        - grad: ``(B, C_out, *spatial_out)``.
        - weight: ``(C_out, C_in, *kernel)``.
        - output: ``(B, C_in, *input_size)``.
    """
    few_channels = weight.shape[0] == 1 or weight.shape[1] <= 4  # where a transposed convolution is the slower one
    if few_channels and weight.shape[2] % stride == 0 and stride <= padding + 1:
        return _conv_pullback_by_phases(grad, weight, input_size, stride, padding)
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


def _is_exporting() -> bool:
    """Tell whether torch.export or torch.onnx is reading the network.

    It then takes only forms that ONNX has: a transposed convolution there has no output padding that depends on the
    input's size.
    """
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return False
    else:  # TorchScript skips this branch; what follows a return it would read
        return torch.compiler.is_exporting()


def _conv_pullback_by_phases(
    grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], stride: int, padding: int
) -> torch.Tensor:
    """Compute `conv_pullback` as an ordinary convolution, one output channel per phase of the stride.

    A voxel of the input meets every stride-th tap of the kernel; which ones depends on its coordinates modulo the
    stride. The voxels of one phase are an ordinary convolution of ``grad`` with the taps that they meet. That takes as
    many multiplications; with few channels a processor does them in a third of the time.
    """
    dims = len(input_size)
    taps = weight.shape[2] // stride
    split, order, phases = [weight.shape[0], weight.shape[1]], [1], 1
    for axis in range(dims):
        split = split + [taps, stride]  # a tap is its number among those of a phase, times the stride, plus the phase
        order = order + [3 + 2 * axis]
        phases = phases * stride
    order = order + [0] + [2 + 2 * axis for axis in range(dims)]
    kernels = weight.reshape(split).permute(order)
    kernels = kernels.reshape([weight.shape[1] * phases, weight.shape[0]] + [taps] * dims)
    kernels = kernels.flip([2 + axis for axis in range(dims)])
    if dims == 3:
        out = F.conv3d(grad, kernels, padding=[taps - 1] * 3)
    else:
        out = F.conv2d(grad, kernels, padding=[taps - 1] * 2)
    out = join_cubes(out.reshape([out.shape[0], weight.shape[1], phases] + list(out.shape[2:])), stride)
    for axis in range(dims):
        out = out.narrow(2 + axis, padding, input_size[axis])
    return out
