"""Integrated gradients: the gradient averaged over the straight line from a baseline to the image."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from monai.utils import convert_to_tensor, optional_import
from torch import nn

from bundle.attributions.base import Attribution
from bundle.attributions.common import check_count, classifier_input, image_logit, map_in_batches
from bundle.attributions.paths import PathPoint, has_decoder, sum_of_gradients

METHODS = ("auto", "decoder", "captum")

IntegratedGradients, _ = optional_import("captum.attr", name="IntegratedGradients")


class IntegratedGradientsAttribution(Attribution):
    """Integrate A(b + a (x - b)) over a from 0 to 1 by Gauss-Legendre quadrature.

    Captum does it for any network by automatic differentiation. The decoder of an AttributionNet gives the same map, up
    to rounding, in less time, see `bundle.attributions.paths`. The map is local: times x - b it sums to F(x) - F(b)
    (completeness).

    Args:
        n_steps: number of quadrature points.
        baseline: image b to start from; None is the null image.
        internal_batch_size: largest number of points in a forward pass; it bounds the memory, not the result.
        method: ``"captum"``, ``"decoder"``, or ``"auto"``, which takes the decoder where the network has one.

    Shape:
        As :py:class:`bundle.attributions.Attribution`; the baseline is broadcastable to the images.

    Raises:
        ValueError: When a number is not a whole number of at least 1, the baseline does not fit an image, ``method`` is
            unknown, or is ``"decoder"`` and the network has none.

    Source:
        Sundararajan et al., ICML 2017; Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 5, with a null baseline
        (section IV-B). The paper does not state the number of steps: 50 is Captum's own.
    """

    def __init__(
        self,
        n_steps: int = 50,
        *,
        baseline: torch.Tensor | None = None,
        internal_batch_size: int = 8,
        method: str = "auto",
    ) -> None:
        check_count("n_steps", n_steps)
        check_count("internal_batch_size", internal_batch_size)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}.")
        self.n_steps = n_steps
        self.baseline = baseline
        self.internal_batch_size = internal_batch_size
        self.method = method

    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Differentiate the logit at every point of the line and return the weighted mean."""
        if self.method == "decoder" and not has_decoder(network):
            raise ValueError(f"method must be 'captum' for a network without decoder, got {type(network).__name__}.")
        if self.method == "captum" or not has_decoder(network):
            captum_method = IntegratedGradients(partial(image_logit, network), multiply_by_inputs=False)
            integrate = partial(
                captum_method.attribute, n_steps=self.n_steps, internal_batch_size=self.internal_batch_size
            )
        else:
            integrate = partial(self._integrate_by_decoder, network)
        end, baseline = (classifier_input(network, x) for x in (image, self._baseline_of(image)))
        return map_in_batches(integrate, end, baseline, max_batch_size=self.internal_batch_size)

    def _integrate_by_decoder(self, network: nn.Module, image: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
        def start() -> torch.Tensor:
            return baseline

        nodes, weights = np.polynomial.legendre.leggauss(self.n_steps)  # on [-1, 1]
        points = [PathPoint(start, 0.5 + 0.5 * a, 0.5 * w) for a, w in zip(nodes, weights, strict=True)]
        return sum_of_gradients(network, image, points, internal_batch_size=self.internal_batch_size)

    def _baseline_of(self, image: torch.Tensor) -> torch.Tensor:
        if self.baseline is None:
            return torch.zeros_like(image)
        try:
            return convert_to_tensor(self.baseline, track_meta=False).to(image).expand_as(image)
        except RuntimeError as error:
            raise ValueError(
                f"baseline must be broadcastable to the images' shape {tuple(image.shape)}, got "
                f"{tuple(self.baseline.shape)}. Resample it to the grid of the images."
            ) from error
