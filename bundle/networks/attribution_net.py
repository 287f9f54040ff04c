"""A classifier that returns its decision and its input gradient in one forward pass."""

# No `from __future__ import annotations` here: TorchScript cannot read string annotations of unused methods.
from collections.abc import Callable

import torch
from torch import nn

from bundle.conventions import join_prediction

METHODS = ("auto", "decoder", "autograd")


class AttributionNet(nn.Module):
    """Wrap a classifier so that it returns the attribution map A(x) = dF/dx beside the image logit F(x).

    Args:
        classifier: network from ``(B, C, *spatial)`` to logits ``(B, 1)`` or patch logits ``(B, 1, *patches)``,
            positive for pathological. F(x) is the mean of an image's logits.
        method: ``"decoder"`` runs the classifier's own ``forward_with_attribution``, which is an ordinary forward
            graph; ``"autograd"`` differentiates any classifier, with a second-order graph in training mode;
            ``"auto"`` takes the decoder where the classifier has one.
        sampler: function from a batch of images to the points that training mode takes the attribution at, such as
            :py:class:`bundle.attributions.PathSampler`; it costs a second forward pass. None takes it at the image
            itself. The logit is always the image's, and evaluation mode ignores the sampler.

    Shape:
        - input: ``(B, C, *spatial)``.
        - attributed: ``(B,)``, bool; see `forward`.
        - output: ``(B, C + 1, *spatial)``, see `bundle.conventions.split_prediction`.

    Raises:
        ValueError: When ``method`` is unknown, or is ``"decoder"`` and the classifier has none.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 4 and section III-B (the attribution as a decoder);
        eq. 5 and 6 for points other than the image.
    """

    def __init__(
        self,
        classifier: nn.Module,
        method: str = "auto",
        sampler: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}.")
        has_decoder = hasattr(classifier, "forward_with_attribution")
        if method == "decoder" and not has_decoder:
            raise ValueError(
                f"{type(classifier).__name__} has no attribution decoder (no method forward_with_attribution). "
                "Use method='autograd'."
            )
        self.classifier = classifier
        self.method = ("decoder" if has_decoder else "autograd") if method == "auto" else method
        self.sampler = sampler
        self.has_sampler = sampler is not None  # TorchScript cannot read the sampler itself

    def forward(self, x: torch.Tensor, attributed: torch.Tensor | None = None) -> torch.Tensor:
        """Return the prediction tensor of ``x``.

        Args:
            x: images.
            attributed: which images' maps are wanted; the maps of the others are NaN and cost nothing. A constraint on
                healthy images needs no others, see :py:class:`bundle.data.batches.PrepareHealthyAttribution`.
        """
        if self.training and self.has_sampler:
            logits, attribution = self._forward_sampled(x, attributed)
        else:
            logits, attribution = self._forward_with_attribution(x, attributed)
        if attributed is not None:
            maps = torch.full_like(x, float("nan"))
            maps[attributed] = attribution.to(x.dtype)
            attribution = maps
        return join_prediction(attribution, logits.flatten(1).mean(1, keepdim=True))

    def _forward_with_attribution(
        self, x: torch.Tensor, attributed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.method == "decoder":
            logits, attribution = self.classifier.forward_with_attribution(x, attributed)
        else:
            logits, attribution = self._forward_autograd(x)
            if attributed is not None:
                attribution = attribution[attributed]
        return logits, attribution

    @torch.jit.unused
    def _forward_sampled(self, x: torch.Tensor, attributed: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.sampler is not None
        _, attribution = self._forward_with_attribution(self.sampler(x), attributed)
        return self.classifier(x), attribution

    @torch.jit.unused
    def _forward_autograd(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        differentiable = self.training and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().requires_grad_(True)
            logits = self.classifier(x)
            image_logits = logits.flatten(1).mean(1)
            (attribution,) = torch.autograd.grad(image_logits.sum(), x, create_graph=differentiable)
        if not differentiable:
            logits = logits.detach()
        return logits, attribution
