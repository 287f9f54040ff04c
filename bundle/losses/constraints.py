"""The attribution constraints by name: what each one takes from a batch, and which formula it puts it into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch

from bundle.conventions import LABEL, MASK
from bundle.losses.functional import ross_penalty, supervised_constraint, total_variation, unsupervised_constraint

CONSTRAINTS = ("unsupervised", "supervised", "ross", "total_variation")
RELATIVE = ("unsupervised", "supervised")

Targets = Mapping[str, torch.Tensor]
Constraint = Callable[[torch.Tensor, Targets], torch.Tensor]


def make_constraint(name: str, *, sharpness: float | None = None, standardise: bool = True) -> Constraint:
    """Make the function of attribution maps and targets that a name stands for.

    Args:
        name: ``"unsupervised"`` (eq. 2, healthy images), ``"supervised"`` (eq. 3, healthy and annotated images),
            ``"ross"`` (sum of squares, healthy images) or ``"total_variation"`` (all images).
        sharpness: of the relative form of the first two; None takes the paper's units.
        standardise: of the total variation, see `bundle.losses.functional.total_variation`.

    Shape:
        - attribution: ``(B, C, *spatial)``.
        - targets: ``label`` of shape ``(B,)`` and, for ``"supervised"``, ``mask`` of the attribution's shape.
        - output: scalar.

    Raises:
        ValueError: When the name is unknown, ``sharpness`` is not positive or given to a constraint without a relative
            form, or the supervised constraint finds no map of the attribution's shape.
    """
    if name not in CONSTRAINTS:
        raise ValueError(f"constraint must be one of {', '.join(CONSTRAINTS)}, got {name!r}.")
    if sharpness is not None and not 0 < sharpness < float("inf"):
        raise ValueError(f"sharpness must be a positive number, or None for the paper's units, got {sharpness}.")
    if sharpness is not None and name not in RELATIVE:
        raise ValueError(f"sharpness must be None for {name!r}, which has no relative form, got {sharpness}.")
    constraints: dict[str, Constraint] = {
        "unsupervised": partial(_unsupervised, sharpness=sharpness),
        "supervised": partial(_supervised, sharpness=sharpness),
        "ross": _ross,
        "total_variation": partial(_total_variation, standardise=standardise),
    }
    return constraints[name]


def _unsupervised(attribution: torch.Tensor, targets: Targets, *, sharpness: float | None) -> torch.Tensor:
    return unsupervised_constraint(attribution, targets[LABEL], sharpness=sharpness)


def _supervised(attribution: torch.Tensor, targets: Targets, *, sharpness: float | None) -> torch.Tensor:
    lesion_map = targets.get(MASK)
    if lesion_map is None or lesion_map.shape != attribution.shape:
        found = "no map" if lesion_map is None else f"shape {tuple(lesion_map.shape)}"
        raise ValueError(
            f"the supervised constraint needs a '{MASK}' of shape {tuple(attribution.shape)}, got {found}. "
            "Give every image a map, NaN where nobody annotated."
        )
    return supervised_constraint(attribution, lesion_map, sharpness=sharpness)


def _ross(attribution: torch.Tensor, targets: Targets) -> torch.Tensor:
    return ross_penalty(attribution, targets[LABEL])


def _total_variation(attribution: torch.Tensor, targets: Targets, *, standardise: bool) -> torch.Tensor:
    return total_variation(attribution, standardise=standardise)
