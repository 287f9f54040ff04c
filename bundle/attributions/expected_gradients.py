"""Expected gradients: the gradient averaged over the lines from many reference images to the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from monai.utils import convert_to_tensor
from torch import nn

from bundle.attributions.base import Attribution
from bundle.attributions.common import check_count, classifier_input, map_in_batches
from bundle.attributions.paths import PathPoint, sum_of_gradients
from bundle.conventions import IMAGE


class References(Protocol):
    """Reference images by number: a tensor ``(N, C, *spatial)``, a sequence or a map-style dataset."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Draw(NamedTuple):
    """A random point between a reference and the image."""

    reference: int | None  # number of the reference, None for the null image
    position: float  # a in x' + a (x - x'): 0 at the reference, 1 at the image


class ExpectedGradientsAttribution(Attribution):
    """Average A(x' + a (x - x')) over random references x' and uniform a in [0, 1].

    The gradients are those that the network returns, so every point costs at most a plain forward pass, see
    `bundle.attributions.paths`. All images are given the same draws: a map depends on the seed and the image, not on
    the batch that the image came in, and the global random state is left alone.

    Args:
        references: images (C, *spatial), or dictionaries that hold one under ``image``. A reference is fetched once for
            every batch that has drawn it: give a dataset that caches.
        n_draws: number of points per image.
        null_probability: probability that the null image takes a reference's place: 0 for expected gradients (EG),
            0.25 for the mixture with integrated gradients (IEG).
        stratified: draw one a in each of ``n_draws`` equal intervals, which lowers the variance of the mean.
        internal_batch_size: largest number of points in a forward pass; it bounds the memory, not the result.
        seed: seed of the draws.
        progress: show a progress bar.

    Shape:
        As :py:class:`bundle.attributions.Attribution`; references have the shape of one image.

    Raises:
        ValueError: When there is no reference, a number is not a whole number of at least 1, ``null_probability`` is
            not a probability, or a reference is not of the image's shape.

    Source:
        Erion et al., Nature Machine Intelligence 3, 2021; Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 6, with
        the images of the test set as references and a null probability of 0.25 (section IV-B). The paper mixes in the
        null image in training only and does not state the number of draws: 100 is ours, as is ``stratified``.
    """

    def __init__(
        self,
        references: References,
        n_draws: int = 100,
        *,
        null_probability: float = 0.0,
        stratified: bool = False,
        internal_batch_size: int = 8,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        if len(references) < 1:
            raise ValueError(f"references must hold at least one image, got {len(references)}.")
        if not 0 <= null_probability <= 1:
            raise ValueError(f"null_probability must be between 0 and 1, got {null_probability}.")
        check_count("n_draws", n_draws)
        check_count("internal_batch_size", internal_batch_size)
        self.references = references
        self.n_draws = n_draws
        self.null_probability = null_probability
        self.stratified = stratified
        self.internal_batch_size = internal_batch_size
        self.seed = seed
        self.progress = progress

    def draws(self) -> list[Draw]:
        """Return the points that every image is given."""
        generator = torch.Generator().manual_seed(self.seed)
        references = torch.randint(len(self.references), (self.n_draws,), generator=generator).tolist()
        is_null = torch.rand(self.n_draws, generator=generator) < self.null_probability
        positions = torch.rand(self.n_draws, generator=generator, dtype=torch.float64)
        if self.stratified:
            positions = (torch.arange(self.n_draws) + positions) / self.n_draws
        return [
            Draw(None if null else reference, position)
            for reference, null, position in zip(references, is_null.tolist(), positions.tolist(), strict=True)
        ]

    def attribute(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Run the network at every point and return the mean of its attributions."""
        # Reference by reference, so that each is fetched and put through the first layer once.
        draws = sorted(self.draws(), key=lambda draw: -1 if draw.reference is None else draw.reference)
        mean_gradient = partial(self._mean_gradient, network, draws)
        return map_in_batches(mean_gradient, classifier_input(network, image), max_batch_size=self.internal_batch_size)

    def _mean_gradient(self, network: nn.Module, draws: Sequence[Draw], image: torch.Tensor) -> torch.Tensor:
        starts: dict[int | None, Callable[[], torch.Tensor]] = {
            draw.reference: partial(self._start, network, draw.reference, image) for draw in draws
        }
        return sum_of_gradients(
            network,
            image,
            [PathPoint(starts[draw.reference], draw.position, 1 / len(draws)) for draw in draws],
            internal_batch_size=self.internal_batch_size,
            progress="expected gradients" if self.progress else None,
        )

    def _start(self, network: nn.Module, number: int | None, image: torch.Tensor) -> torch.Tensor:
        if number is None:
            return torch.zeros_like(image[:1])
        return classifier_input(network, self._reference(number, image)[None])

    def _reference(self, number: int, image: torch.Tensor) -> torch.Tensor:
        item = self.references[number]
        reference = convert_to_tensor(item[IMAGE] if isinstance(item, Mapping) else item, track_meta=False)
        if reference.shape != image.shape[1:]:
            raise ValueError(
                f"a reference must have the image's shape {tuple(image.shape[1:])}, got {tuple(reference.shape)} for "
                f"reference {number}. Preprocess references as the images are."
            )
        return reference.to(image)
