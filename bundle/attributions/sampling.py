"""Where the attribution is taken while training: a random point between a baseline image and the image."""

from __future__ import annotations

import torch


class PathSampler:
    """Move every image to a random point b + a (x - b) of the line from its baseline b, with a uniform in [0, 1].

    The gradient there is a one-point estimate of the integrated (IG) or expected gradients (EG) of the image, redrawn
    in every iteration. The baseline of an image is the one before it in the batch, or with ``null_probability`` the
    null image: 0 gives EG, 1 gives IG, between them is their mixture (IEG). An AttributionNet without a sampler takes
    the gradient at the image itself (G).

    Draws come from PyTorch's global generator on the CPU: :py:class:`bundle.handlers.EpochSeedHandler` seeds it, so
    that a resumed training goes on with the draws of an uninterrupted one, on any device.

    Args:
        null_probability: probability that the null image is an image's baseline, drawn for each image.

    Shape:
        - input, output: ``(B, C, *spatial)``.

    Raises:
        ValueError: When ``null_probability`` is not a probability, or a batch of one image has no other as baseline.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 5 (IG) and 6 (EG), with one point an iteration and a null
        probability of 0.25 for IEG (section IV-B). Roll by one after Erion et al., Nature Machine Intelligence 3, 2021.
    """

    def __init__(self, null_probability: float) -> None:
        if not 0 <= null_probability <= 1:
            raise ValueError(f"null_probability must be between 0 and 1, got {null_probability}.")
        self.null_probability = null_probability

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return one point for every image of the batch."""
        if len(image) < 2 and self.null_probability < 1:
            raise ValueError(
                f"a batch must hold at least 2 images to lend each other as baselines, got {len(image)}. "
                "Raise batch_size, or set null_probability to 1."
            )
        is_null, position = self._draw(image)
        baseline = torch.where(is_null, torch.zeros_like(image), image.roll(1, 0))
        return baseline + position * (image - baseline)

    def _draw(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw for every image whether its baseline is null, and its position; both broadcast over the image."""
        shape = (len(image), *[1] * (image.dim() - 1))
        is_null = torch.rand(shape) < self.null_probability
        return is_null.to(image.device), torch.rand(shape).to(image)
