"""The PatchGAN classifier: a stack of convolutions that classifies overlapping patches of an image."""

# No `from __future__ import annotations` here: TorchScript cannot read string annotations of unused methods.
from collections.abc import Sequence

import torch
from torch import nn

from bundle.networks.attribution_decoder import ConvBlock
from bundle.networks.checkpointing import checkpointed_decode, checkpointed_logits
from bundle.networks.convexity import initialise_convex, project_convex
from bundle.networks.intensity_hinges import IntensityHinges

INITIALISATIONS = ("normal", "kaiming")


class PatchGANClassifier(nn.Module):
    """Classify every patch of an image; the image logit F(x) is the mean over its patches.

    The defaults are the 70x70 PatchGAN of the paper's text with batch normalisation replaced by group normalisation,
    which keeps the images of a batch apart (docs/method.md says why that matters). `patchgan_paper` and
    `patchgan_monotonic` make the two published settings.

    Args:
        spatial_dims: 2 or 3.
        in_channels: number of image channels.
        channels: channels of the hidden convolutions.
        strides: strides of the hidden convolutions and of the last one, which makes the patch logits.
        norm: ``"batch"``, ``"group"``, ``"instance"`` or ``"none"``; the first and the last convolution have none.
        norm_groups: channel groups of ``"group"``.
        norm_before_activation: convolution-norm-activation (the paper) or convolution-activation-norm.
        bias: ``"unnormalised"`` gives a bias only to convolutions without normalisation, ``"all"`` to every one.
        slope: negative slope of the leaky rectifiers.
        intensity_knots: knots of hinges that every image channel is expanded into before the first convolution, see
            :py:class:`bundle.networks.intensity_hinges.IntensityHinges` (ours); none for the paper's network.
        intensity_pooling: edge, in voxels, of the cubes that the hinges are averaged over.
        initialisation: ``"normal"`` draws weights from N(0, 0.02) and norm scales from N(1, 0.02), as PatchGANs do;
            ``"kaiming"`` keeps the variance through the leaky rectifiers and starts with small logits.
        convex: start with a logit that is convex in the image, see `bundle.networks.convexity` (ours). `project` keeps
            it so in a training.
        use_checkpoint: keep less for the backward pass and compute the rest again, see `bundle.networks.checkpointing`.
            It changes no result.

    Shape:
        - input: ``(B, in_channels, *spatial)``.
        - output: ``(B, 1, *patches)``, patch logits, positive for pathological.

    Raises:
        ValueError: When an argument is outside what is listed above.

    Source:
        Isola et al., CVPR 2017 (layers); Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, section IV-B (3D).
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (2, 2, 2, 1, 1),
        *,
        norm: str = "group",
        norm_groups: int = 8,
        norm_before_activation: bool = True,
        bias: str = "unnormalised",
        slope: float = 0.2,
        intensity_knots: Sequence[float] = (),
        intensity_pooling: int = 1,
        initialisation: str = "normal",
        convex: bool = False,
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims must be 2 or 3, got {spatial_dims}.")
        if len(channels) < 1 or len(strides) != len(channels) + 1:
            raise ValueError(
                f"strides must name one stride per hidden convolution and one for the last, {len(channels) + 1} in "
                f"all for channels={list(channels)}, got strides={list(strides)}."
            )
        if bias not in ("unnormalised", "all"):
            raise ValueError(f"bias must be 'unnormalised' or 'all', got {bias!r}.")
        if initialisation not in INITIALISATIONS:
            raise ValueError(f"initialisation must be one of {', '.join(INITIALISATIONS)}, got {initialisation!r}.")
        if convex and norm != "none":
            raise ValueError(
                f"A convex logit needs norm='none', got {norm!r}: no normalisation is convex in the image."
            )
        if use_checkpoint and norm == "batch":
            raise ValueError(
                "use_checkpoint needs another norm than 'batch', whose running statistics would count a batch twice."
            )

        self.hinges = IntensityHinges(intensity_knots, slope, intensity_pooling, linear=convex)
        self.stem_is_affine = len(intensity_knots) == 0
        self.couples_images = norm == "batch"
        self.convex = convex
        self.use_checkpoint = use_checkpoint
        self.in_channels = in_channels
        widths = [in_channels * self.hinges.features, *channels, 1]
        last = len(channels)
        self.blocks = nn.ModuleList()
        for i in range(last + 1):
            block_norm = norm if 0 < i < last else "none"
            self.blocks.append(
                ConvBlock(
                    spatial_dims,
                    widths[i],
                    widths[i + 1],
                    stride=strides[i],
                    norm=block_norm,
                    norm_groups=norm_groups,
                    norm_before_activation=norm_before_activation,
                    bias=bias == "all" or block_norm == "none",
                    slope=slope if i < last else 1.0,
                )
            )
        self._initialise(initialisation, slope)

    def _initialise(self, initialisation: str, slope: float) -> None:
        for block in (module for module in self.blocks if isinstance(module, ConvBlock)):
            if initialisation == "normal":
                nn.init.normal_(block.conv.weight, 0.0, 0.02)
                if isinstance(block.norm, (nn.GroupNorm, nn.modules.batchnorm._BatchNorm)):
                    nn.init.normal_(block.norm.weight, 1.0, 0.02)
            else:
                nn.init.kaiming_normal_(block.conv.weight, a=slope, mode="fan_in", nonlinearity="leaky_relu")
                if block is self.blocks[-1]:
                    block.conv.weight.data *= 0.1  # without normalisation, large first logits take long to unlearn
            if block.conv.bias is not None:
                nn.init.zeros_(block.conv.bias)
        if self.convex:
            initialise_convex(self.convolutions(), self.in_channels)

    @torch.jit.unused
    def convolutions(self) -> list[nn.Conv2d | nn.Conv3d]:
        """Return the convolutions, from the image on."""
        return [block.conv for block in self.blocks if isinstance(block, ConvBlock)]

    @torch.jit.unused
    def project(self) -> None:
        """Make the logit convex again after a step of an optimiser; nothing happens unless it was made ``convex``."""
        if self.convex:
            project_convex(self.convolutions(), self.in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the patch logits of ``x``."""
        if self.use_checkpoint and torch.is_grad_enabled():
            return self._checkpointed_logits(x)
        x = self.hinges(x)
        for block in self.blocks:
            x = block(x)
        return x

    def forward_with_attribution(
        self, x: torch.Tensor, attributed: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patch logits of ``x`` and the derivative of their mean with respect to ``x``.

        Args:
            x: images.
            attributed: numbers of the N images whose derivatives are wanted, each once; None for all. Leaving images
                out saves their decoding, except with batch normalisation, which couples them.

        Shape:
            - x: ``(B, in_channels, *spatial)``.
            - attributed: ``(N,)``, int64.
            - output: ``(B, 1, *patches)`` and, in the order of ``attributed``, ``(N, in_channels, *spatial)``.
        """
        if attributed is None or self.couples_images:
            logits, grad = self.decode(self.stem(x), x.shape[0])
            attribution = self.stem_pullback(grad, x)
            return logits, attribution if attributed is None else attribution[attributed]
        # The wanted images first: what the decoder takes from the layers then is a slice, without a copy.
        wanted = attributed.shape[0]
        is_wanted = torch.zeros(x.shape[0], dtype=torch.uint8, device=x.device).index_fill(0, attributed, 1)
        others = is_wanted.argsort(stable=True)[: x.shape[0] - wanted]
        order = torch.cat([attributed, others])
        x = x[order]
        logits, grad = self.decode(self.stem(x), wanted)
        return logits[order.argsort()], self.stem_pullback(grad, x[:wanted])

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the first convolution, which is affine in ``x`` when `stem_is_affine`."""
        for i, block in enumerate(self.blocks):
            if i == 0:
                x = block.conv(self.hinges(x))
        return x

    def stem_pullback(self, grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to ``x`` from the one with respect to its stem."""
        for i, block in enumerate(self.blocks):
            if i == 0:
                grad = block.conv_pullback(grad, self.hinges.output_size(x))
        return self.hinges.pullback(grad, x)

    def decode(self, z: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patch logits and the derivative of their mean, both from the output of the first convolution.

        Args:
            z: output of `stem`.
            wanted: number of images, from the first on, whose derivative is wanted.

        Shape:
            - z: ``(B, channels[0], *spatial_out)``.
            - output: ``(B, 1, *patches)`` and ``(wanted, channels[0], *spatial_out)``.
        """
        if self.use_checkpoint and torch.is_grad_enabled():
            return self._checkpointed_decode(z, wanted)
        x = z
        norm_inputs: list[torch.Tensor] = []
        activation_inputs: list[torch.Tensor] = []
        input_sizes: list[list[int]] = []
        for i, block in enumerate(self.blocks):
            input_sizes.append(list(x.shape[2:]))
            x, norm_input, activation_input = block.rectify(x if i == 0 else block.conv(x))
            norm_inputs.append(norm_input[:wanted])
            activation_inputs.append(activation_input[:wanted])
        patches = 1
        for size in x.shape[2:]:
            patches = patches * size
        grad = torch.full_like(x[:wanted], 1.0 / patches)
        for i in range(len(self.blocks) - 1, -1, -1):
            grad = self._pull_back_block(i, grad, norm_inputs[i], activation_inputs[i], input_sizes[i])
        return x, grad

    @torch.jit.unused
    def _checkpointed_logits(self, x: torch.Tensor) -> torch.Tensor:
        return checkpointed_logits([*self.blocks], self.stem(x))

    @torch.jit.unused
    def _checkpointed_decode(self, z: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
        return checkpointed_decode([*self.blocks], z, wanted)

    def _pull_back_block(
        self,
        index: int,
        grad: torch.Tensor,
        norm_input: torch.Tensor,
        activation_input: torch.Tensor,
        input_size: list[int],
    ) -> torch.Tensor:
        # A search, not self.blocks[index]: TorchScript neither indexes a ModuleList by a variable nor reverses it.
        for i, block in enumerate(self.blocks):
            if i == index:
                grad = block.rectify_pullback(grad, norm_input, activation_input)
                if i > 0:
                    grad = block.conv_pullback(grad, input_size)
        return grad


def patchgan_paper(spatial_dims: int = 3, in_channels: int = 1) -> PatchGANClassifier:
    """Make the classifier as the paper's text has it: 70x70 PatchGAN with batch normalisation.

    It has 2,763,585 parameters in 2D and 11,048,769 in 3D for one input channel.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, section IV-B.
    """
    return PatchGANClassifier(spatial_dims, in_channels, norm="batch")


def patchgan_monotonic(spatial_dims: int = 3, in_channels: int = 1) -> PatchGANClassifier:
    """Make the same group's later variant: one more stride, normalisation after the activation, biases everywhere.

    It has 2,764,481 parameters in 2D and 11,049,665 in 3D for one input channel and a receptive field of 94 voxels.

    Source:
        Wargnier-Dauchelle et al., Pattern Recognition 160, 2025 (monotonic networks), as published with it.
    """
    return PatchGANClassifier(
        spatial_dims,
        in_channels,
        strides=(2, 2, 2, 2, 1),
        norm="instance",
        norm_before_activation=False,
        bias="all",
        initialisation="kaiming",
    )
