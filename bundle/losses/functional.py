"""Every formula of the training loss, once, as a pure function.

Label 1 is pathological, so a negative attribution speaks for the healthy class. Sums and means run over the batch; over
several processes that is the batch of all of them, see `bundle.losses.global_batch`. Images and voxels that a term
leaves out may have any attribution, NaN too: it is replaced by 0 before it enters a formula, because 0 times the
derivative at NaN is NaN.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from bundle.conventions import HEALTHY
from bundle.losses.global_batch import global_mean, global_sum


def classification_loss(logit: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy of the image logit (L_C of eq. 1), averaged over the images.

    Shape:
        - logit: ``(B, 1)``, positive for pathological.
        - label: ``(B,)``, 0 healthy or 1 pathological.
        - output: scalar.
    """
    return global_mean(F.binary_cross_entropy_with_logits(logit.squeeze(1), label.to(logit.dtype), reduction="none"))


def unsupervised_constraint(
    attribution: torch.Tensor, label: torch.Tensor, *, sharpness: float | None = None
) -> torch.Tensor:
    """Cross entropy of the attributions of healthy images against an all-zero map (L_A of eq. 2).

    Each voxel's attribution is the logit of a voxel-wise classifier, so the term is softplus(A), averaged over all
    voxels of all healthy images.

    Args:
        attribution: attribution maps of the batch.
        label: image labels.
        sharpness: None for eq. 2; a number for its relative form, see `relative_attribution`.

    Shape:
        - attribution: ``(B, C, *spatial)``.
        - label: ``(B,)``.
        - output: scalar; a zero that is still in the graph when no image is healthy.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 2; the relative form is ours.
    """
    healthy = of_healthy_images(label, attribution)
    attribution = attribution.where(healthy, 0.0)
    if sharpness is None:
        return global_mean(F.softplus(attribution), healthy)
    return global_mean(F.softplus(relative_attribution(attribution, sharpness, healthy)), healthy) / sharpness


def supervised_constraint(
    attribution: torch.Tensor, lesion_map: torch.Tensor, *, sharpness: float | None = None
) -> torch.Tensor:
    """Cross entropy of the attributions against lesion maps (L_A of eq. 3), over annotated voxels.

    Args:
        attribution: attribution maps of the batch.
        lesion_map: 1 inside lesions, 0 outside and in healthy images, NaN where nobody annotated.
        sharpness: None for eq. 3; a number for its relative form, see `relative_attribution`.

    Shape:
        - attribution, lesion_map: ``(B, C, *spatial)``.
        - output: scalar; a zero that is still in the graph when nothing is annotated.

    Source:
        Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023, eq. 3; the relative form is ours.
    """
    annotated = ~torch.isnan(lesion_map)
    values = attribution.where(annotated, 0.0)
    targets = lesion_map.to(attribution.dtype).where(annotated, 0.0)
    if sharpness is None:
        return global_mean(F.binary_cross_entropy_with_logits(values, targets, reduction="none"), annotated)
    relative = relative_attribution(values, sharpness, annotated)
    return global_mean(F.binary_cross_entropy_with_logits(relative, targets, reduction="none"), annotated) / sharpness


def ross_penalty(attribution: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Sum of the squared attributions of healthy images: right for the right reasons.

    Args:
        attribution: attribution maps of the batch.
        label: image labels.

    Shape:
        - attribution: ``(B, C, *spatial)``.
        - label: ``(B,)``.
        - output: scalar; a zero that is still in the graph when no image is healthy.

    Source:
        Ross et al., IJCAI 2017, with the whole image as the irrelevant region of healthy images only
        (Wargnier-Dauchelle et al., IEEE TMI 42(11), 2023). Ross et al. differentiate the sum of the log-probabilities;
        here it is the logit that is differentiated, as in the constraints that this penalty is compared with.
    """
    return global_sum(attribution.where(of_healthy_images(label, attribution), 0.0).square())


def total_variation(attribution: torch.Tensor, *, standardise: bool = False) -> torch.Tensor:
    """Mean absolute difference between neighbouring voxels, summed over the axes.

    Args:
        attribution: attribution maps of the batch.
        standardise: bring each map to zero mean and unit variance first. The plain total variation is smallest where
            the attribution vanishes; the standardised one does not depend on the map's unit.

    Shape:
        - attribution: ``(B, C, *spatial)``, at least 2 voxels along every axis.
        - output: scalar.

    Source:
        Erion et al., Nature Machine Intelligence 3, 2021, the prior on images, standardised as in its published code.
        It takes the sum over the voxels; we take the mean, so that a weight does not depend on the size of the grid.
    """
    maps = _standardised(attribution) if standardise else attribution
    return torch.stack([global_mean(maps.diff(dim=axis).abs()) for axis in range(2, maps.dim())]).sum()


def _standardised(attribution: torch.Tensor) -> torch.Tensor:
    """Bring each map to zero mean and unit variance; a constant map becomes zero."""
    axes = list(range(1, attribution.dim()))
    centred = attribution - attribution.mean(axes, keepdim=True)
    variance = centred.square().mean(axes, keepdim=True)
    return centred * variance.clamp_min(torch.finfo(attribution.dtype).tiny).rsqrt()


def of_healthy_images(label: torch.Tensor, attribution: torch.Tensor) -> torch.Tensor:
    """Return which of the batch's attributions belong to healthy images.

    Shape:
        - label: ``(B,)``.
        - attribution: ``(B, C, *spatial)``.
        - output: bool, ``(B, 1, ...)`` with as many axes as ``attribution``.
    """
    return (label == HEALTHY).view(-1, *[1] * (attribution.dim() - 1))


def relative_attribution(
    attribution: torch.Tensor, sharpness: float, counted: torch.Tensor | None = None
) -> torch.Tensor:
    """Measure attributions in units of their own root mean square, which counts as a constant for the gradient.

    The raw attribution is a derivative per voxel: it shrinks with the number of patches and of voxels and is of order
    1e-5 at initialisation in 3D. There softplus is linear: eq. 2 then asks every voxel, also those that are negative
    already, to become more negative, which makes the decision ever more sensitive to overall brightness, and the
    weight alpha has to make up for the units. In units of the map's own root mean square alpha is a number of order 1
    on any grid, and a sharpness well above 1 leaves voxels alone once they are clearly negative.

    Args:
        attribution: attributions that are constrained together.
        sharpness: factor on the relative attribution, dimensionless.
        counted: which attributions the root mean square is taken over; None for all.

    Shape:
        - attribution, output: any one shape.
        - counted: bool, of a shape that broadcasts to it.
    """
    tiny = torch.finfo(attribution.dtype).tiny
    root_mean_square = global_mean(attribution.detach().square(), counted).sqrt()
    return sharpness * (attribution / root_mean_square.clamp_min(tiny))


def check_weight(name: str, value: float) -> None:
    """Raise ValueError unless ``value``, the weight ``name`` of a loss, is a finite number of at least 0."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a finite number of at least 0, got {value}.")
