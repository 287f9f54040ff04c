"""Activation checkpointing of the classifier and its attribution decoder: less memory for a little more arithmetic.

Only what every convolution returns and is given back is kept for the backward pass. Normalisations and rectifiers are
computed again; PyTorch stops a recomputation once it has what the backward pass needs, so no convolution runs twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from bundle.networks.attribution_decoder import ConvBlock

# Nothing that is computed again draws random numbers.
_recomputed: Any = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)


def checkpointed_logits(blocks: Sequence[ConvBlock], z: torch.Tensor) -> torch.Tensor:
    """Return the patch logits from the output ``z`` of the first block's convolution.

    Shape:
        - z: ``(B, C, *spatial)``.
        - output: ``(B, 1, *patches)``.
    """
    return blocks[-1].rectify(_conv_outputs(blocks, z)[-1])[0]


def checkpointed_decode(blocks: Sequence[ConvBlock], z: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what :py:meth:`bundle.networks.PatchGANClassifier.decode` does, and keep less.

    Shape:
        - z: ``(B, C, *spatial)``.
        - output: ``(B, 1, *patches)`` and ``(wanted, C, *spatial)``.
    """
    outputs = _conv_outputs(blocks, z)
    logits = blocks[-1].rectify(outputs[-1])[0]
    grad = torch.full_like(logits[:wanted], 1.0 / logits[0, 0].numel())
    for i in range(len(blocks) - 1, 0, -1):
        grad = _recomputed(_pull_back_conv, blocks[i], grad, outputs[i][:wanted], list(outputs[i - 1].shape[2:]))
    return logits, _recomputed(_pull_back, blocks[0], grad, outputs[0][:wanted])


def _conv_outputs(blocks: Sequence[ConvBlock], z: torch.Tensor) -> list[torch.Tensor]:
    outputs = [z]
    for block, following in pairwise(blocks):
        outputs.append(_recomputed(_next_conv, block, following, outputs[-1]))
    return outputs


def _next_conv(block: ConvBlock, following: ConvBlock, z: torch.Tensor) -> torch.Tensor:
    return following.conv(block.rectify(z)[0])


def _pull_back(block: ConvBlock, grad: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    _, norm_input, activation_input = block.rectify(z)
    return block.rectify_pullback(grad, norm_input, activation_input)


def _pull_back_conv(block: ConvBlock, grad: torch.Tensor, z: torch.Tensor, input_size: list[int]) -> torch.Tensor:
    return block.conv_pullback(_pull_back(block, grad, z), input_size)
