"""A classifier that returns its decision and its input gradient in one forward pass."""

# No `from __future__ import annotations` here: TorchScript cannot read string annotations of unused methods.
from collections.abc import Callable

import torch
from monai.data import MetaTensor
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
            :py:class:`bundle.attributions.PathSampler`; it costs a second forward pass of the images whose maps are
            wanted. None takes it at the image itself. The logit is always the image's, and evaluation mode ignores the
            sampler.
        atlas: module that the images go through first, such as :py:class:`bundle.networks.HealthyAtlas`; zeros must
            stay zeros. The classifier, the sampler and the attribution then work on what it returns, z: the map is
            dF/dz, 0 where x is 0. None leaves the images as they are.
        smoothing: module that maps go through last, such as :py:class:`bundle.networks.MapSmoothing`, in training as
            well. None leaves them as they are.

    Shape:
        - input: ``(B, C, *spatial)``.
        - attributed: ``(N,)``, int64; see `forward`.
        - output: ``(B, C + 1, *spatial)``, see `bundle.conventions.split_prediction`.

    Raises:
        ValueError: When ``method`` is unknown, or is ``"decoder"`` and the classifier has none; in `forward`, when the
            classifier computes in float16, by autocast or otherwise.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 4 and section III-B (the attribution as a decoder);
        eq. 5 and 6 for points other than the image.
    """

    def __init__(
        self,
        classifier: nn.Module,
        method: str = "auto",
        sampler: Callable[[torch.Tensor], torch.Tensor] | None = None,
        atlas: nn.Module | None = None,
        smoothing: nn.Module | None = None,
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
        # A classifier that does not say otherwise may let images act on each other, as batch normalisation does.
        self.couples_images = bool(getattr(classifier, "couples_images", True))
        self.sampler = sampler
        self.has_sampler = sampler is not None  # TorchScript cannot read the sampler itself
        self.atlas = nn.Identity() if atlas is None else atlas
        self.has_atlas = atlas is not None
        self.smoothing = nn.Identity() if smoothing is None else smoothing

    def forward(self, x: torch.Tensor, attributed: torch.Tensor | None = None) -> torch.Tensor:
        """Return the prediction tensor of ``x``.

        Args:
            x: images.
            attributed: numbers of the images whose maps are wanted, each once; the maps of the others are NaN and cost
                nothing. A constraint on healthy images needs no others, see
                :py:class:`bundle.data.batches.PrepareHealthyAttribution`. Numbers, because how many there are is known
                from their shape: a GPU is not waited for, and a compiled graph does not break.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._predict(x, attributed)
        else:  # TorchScript skips this branch
            if not isinstance(x, MetaTensor):
                return self._predict(x, attributed)
            # Every operation on a MetaTensor copies its metadata: once, for the prediction, is enough.
            pred = self._predict(x.as_tensor(), attributed)
            return MetaTensor(pred).copy_meta_from(x)

    def logits_and_attribution(
        self, z: torch.Tensor, attributed: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the classifier's logits of ``z``, which the atlas has returned, and dF/dz of the attributed images."""
        if self.method == "decoder":
            logits, attribution = self.classifier.forward_with_attribution(z, attributed)
        else:
            logits, attribution = self._forward_autograd(z)
            if attributed is not None:
                attribution = attribution[attributed]
        return logits, attribution

    def _predict(self, x: torch.Tensor, attributed: torch.Tensor | None) -> torch.Tensor:
        z = self.atlas(x)
        if self.training and self.has_sampler:
            logits, attribution = self._forward_sampled(z, attributed)
        else:
            logits, attribution = self.logits_and_attribution(z, attributed)
        if logits.dtype == torch.float16:
            raise ValueError(
                "logits must be of a type that holds attributions of 1e-8, got torch.float16. Use bfloat16 for mixed "
                "precision."
            )
        attribution = attribution.to(x.dtype)  # mixed precision ends here: what follows is in the images' precision
        attribution = self._smooth(attribution, x if attributed is None else x[attributed])
        if attributed is not None:
            maps = torch.full_like(x, float("nan"))
            maps[attributed] = attribution
            attribution = maps
        return join_prediction(attribution, logits.flatten(1).to(x.dtype).mean(1, keepdim=True))

    def _smooth(self, attribution: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if not self.has_atlas:
            return self.smoothing(attribution)
        inside = (x != 0).to(attribution.dtype)  # the atlas says nothing of the background
        return self.smoothing(attribution * inside) * inside

    @torch.jit.unused
    def _forward_sampled(self, z: torch.Tensor, attributed: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.sampler is not None
        points = self.sampler(z)  # of all images, so that the draws do not depend on which maps are wanted
        if attributed is not None and not self.couples_images:
            points, attributed = points[attributed], None
        _, attribution = self.logits_and_attribution(points, attributed)
        return self.classifier(z), attribution

    @torch.jit.unused
    def _forward_autograd(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        differentiable = self.training and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_(True)
            logits = self.classifier(z)
            image_logits = logits.flatten(1).mean(1)
            (attribution,) = torch.autograd.grad(image_logits.sum(), z, create_graph=differentiable)
        if not differentiable:
            logits = logits.detach()
        return logits, attribution
