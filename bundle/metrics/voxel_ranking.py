"""Ranking and overlap of voxel scores over a whole data set, image by image and over several processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import ignite.distributed as idist
import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced

from bundle.anomaly import OUTSIDE_BRAIN
from bundle.metrics.ranking import FPR_MAX, RankingCurve
from bundle.metrics.sorted_voxels import SortedVoxels
from bundle.metrics.summary import mean, standard_deviation

Region = Literal["image", "brain"]
Maps = tuple[Iterable[torch.Tensor], Iterable[torch.Tensor]]


def ranking_values(curve: RankingCurve) -> dict[str, float]:
    """Return all measures of a curve; NaN where a class is absent, see :py:class:`bundle.metrics.RankingCurve`."""
    threshold, dice = curve.operating_point()
    return {
        "auprc": curve.average_precision(),
        "auroc": curve.roc_area(),
        "auroc10": curve.roc_area(FPR_MAX),
        "best_dice": dice,
        "best_threshold": threshold,
    }


@dataclass
class _Counts:
    """What a process knows of its images besides their voxels."""

    images: list[dict[str, float]] = field(default_factory=list)
    outside_lesion: int = 0
    outside_healthy: int = 0
    called_lesion: int = 0
    called_healthy: int = 0

    @classmethod
    def joined(cls, parts: Sequence[_Counts]) -> _Counts:
        return cls(
            [values for part in parts for values in part.images],
            sum(part.outside_lesion for part in parts),
            sum(part.outside_healthy for part in parts),
            sum(part.called_lesion for part in parts),
            sum(part.called_healthy for part in parts),
        )


class VoxelRanking(Metric):
    """Exact AUPRC, AUROC, AUROC10 and Dice of anomaly maps, pooled over all voxels and averaged over the images.

    The values are those of all voxels in one array, but images come one at a time and only the sorted scores of their
    brain voxels are kept: four bytes a voxel, 0.4 GB for 49 volumes of 1 mm. Over several processes the lesion scores
    are gathered and the healthy voxels counted where they are, so that any distribution of the images gives the same
    values to the last bit. Each image must be given to one process only; a sampler that repeats images to even out the
    processes would count them twice.

    ``compute`` returns the keys of :py:func:`ranking_values` over the pooled voxels, the same keys with ``_mean`` and
    ``_sd`` (n - 1) over the images, ``images``, and with a ``threshold`` also ``dice``. Without lesion voxels the
    pooled values are NaN, without healthy ones the areas under the ROC curve are; images whose value is NaN are left
    out of its mean.

    Args:
        region: ``"image"`` ranks voxels outside the brain below all others, as one tie; ``"brain"`` leaves them out.
            Outside is where the score is :py:data:`bundle.anomaly.OUTSIDE_BRAIN`.
        threshold: score at and above which a voxel is called anomalous, for ``dice``.
        output_transform: makes ``(maps, masks)`` from the engine's output: one anomaly map and one lesion mask an
            image, of one shape, as sequences or batches.
        device: where the scores are kept; they are sorted on the device of the map.

    Raises:
        ValueError: When ``region`` is unknown; while running, when map and mask differ in shape, a map is not
            float32 or has no brain voxel, or a score is not finite.
        NotComputableError: When no image was given.
    """

    def __init__(
        self,
        region: Region = "image",
        threshold: float | None = None,
        output_transform: Callable[[Any], Maps] = lambda output: output,
        device: str | torch.device = "cpu",
    ) -> None:
        if region not in ("image", "brain"):
            raise ValueError(f"region must be 'image' or 'brain', got {region!r}.")
        self.region = region
        self.threshold = threshold
        super().__init__(output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        """Forget all images."""
        self._voxels: list[SortedVoxels] = []
        self._counts = _Counts()

    @reinit__is_reduced
    def update(self, output: Maps) -> None:
        """Add images."""
        for score, mask in zip(*output, strict=True):
            self._add(score, mask)

    def _add(self, score: torch.Tensor, mask: torch.Tensor) -> None:
        if score.shape != mask.shape:
            raise ValueError(
                f"anomaly map and mask must share one grid, got {tuple(score.shape)} and {tuple(mask.shape)}. "
                "Invert the map to the image's grid first."
            )
        if score.dtype != torch.float32:
            raise ValueError(f"anomaly maps must be float32, got {score.dtype}. Use bundle.anomaly.anomaly_map.")
        brain = score != OUTSIDE_BRAIN  # NaN counts as brain, so that it is reported
        lesion = mask.to(score.device) != 0
        voxels = SortedVoxels.from_scores(score, lesion, brain)
        curve = RankingCurve.pooled([voxels])
        counts = _Counts()
        if self.region == "image":
            counts.outside_lesion = int(lesion.sum()) - len(voxels.lesion)
            counts.outside_healthy = score.numel() - int(brain.sum()) - counts.outside_lesion
            curve = curve.with_lowest(counts.outside_lesion, counts.outside_healthy)
        counts.images = [ranking_values(curve)]
        if self.threshold is not None:
            counts.called_lesion, counts.called_healthy = voxels.called(self.threshold)
            counts.images[0]["dice"] = _dice(counts, curve.positives)
        self._voxels.append(voxels.to(self._device))
        self._counts = _Counts.joined([self._counts, counts])

    def compute(self) -> dict[str, float]:
        """Return all values, the same in every process."""
        counts = _Counts.joined(_of_all_processes(self._counts))
        if not counts.images:
            raise NotComputableError("voxel measures need at least one image, got none. Add annotated images.")
        curve = self._pooled().with_lowest(counts.outside_lesion, counts.outside_healthy)
        result = {"images": float(len(counts.images)), **ranking_values(curve)}
        if self.threshold is not None:
            result["dice"] = _dice(counts, curve.positives)
        for name in counts.images[0]:
            result[f"{name}_mean"] = mean(values[name] for values in counts.images)
            result[f"{name}_sd"] = standard_deviation(values[name] for values in counts.images)
        return result

    def _pooled(self) -> RankingCurve:
        """Return the curve of the brain voxels of all processes."""
        own = torch.cat([part.lesion for part in self._voxels] or [torch.empty(0)])
        lesion = torch.cat([scores for (scores,) in _of_all_processes((own.cpu(),))]).to(self._device)
        curve = RankingCurve.of_lesions(lesion, self._voxels)
        total = curve.false_positives.new_tensor([curve.negatives])
        counts = cast(
            torch.Tensor, idist.all_reduce(torch.cat([curve.false_positives, curve.false_positives_above, total]))
        )
        at_or_above, above = counts[:-1].chunk(2)
        return replace(
            curve,
            false_positives=at_or_above,
            false_positives_above=above,
            negatives=int(counts[-1]),
            lowest=min(_of_all_processes((curve.lowest,)))[0],
        )


def _of_all_processes(value: Any) -> list[Any]:
    """Gather an object that is no tensor, number or string, which Ignite would gather in another form."""
    return cast(list[Any], idist.all_gather(value))


def _dice(counts: _Counts, positives: int) -> float:
    """Return the Dice coefficient at the threshold; NaN when nothing is called and nothing is there."""
    total = counts.called_lesion + counts.called_healthy + positives
    return 2 * counts.called_lesion / total if total else math.nan
