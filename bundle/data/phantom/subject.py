"""One synthetic subject: parameters drawn from a seed, and the image they make on any grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bundle.conventions import HEALTHY, PATHOLOGICAL
from bundle.data.phantom.acquisition import (
    SIGNATURE_GAIN,
    AcquisitionParameters,
    acquire,
    draw_acquisition,
    draw_scanner,
)
from bundle.data.phantom.anatomy import AnatomyParameters, apply_anatomy, draw_anatomy
from bundle.data.phantom.appearance import AppearanceParameters, bright_structures, draw_appearance, render_tissue
from bundle.data.phantom.atlas import FloatArray, load_atlas, make_grid
from bundle.data.phantom.multiple_sclerosis import SclerosisParameters, draw_sclerosis, paint_sclerosis
from bundle.data.phantom.tumour import TumourParameters, draw_tumour, mass_effect, paint_tumour

CONDITIONS = ("healthy", "tumour", "ms")
_PLACEMENT_SPACING_MM = 4.0  # lesions are placed on this grid, so a subject is the same at every spacing


@dataclass(frozen=True)
class SubjectParameters:
    """All that was drawn for one subject; `render_subject` makes the same image from it every time.

    Args:
        condition: "healthy", "tumour" or "ms".
        anatomy: shape of the brain.
        appearance: brightness of tissue and bright structures.
        acquisition: the scan.
        lesions: None when healthy.
    """

    condition: str
    anatomy: AnatomyParameters
    appearance: AppearanceParameters
    acquisition: AcquisitionParameters
    lesions: TumourParameters | SclerosisParameters | None

    @property
    def label(self) -> int:
        """Class of the image."""
        return condition_label(self.condition)


@dataclass(frozen=True)
class PhantomSubject:
    """A rendered subject.

    Args:
        image: FLAIR, ``(X, Y, Z)``, float32 whole numbers, 0 outside the brain.
        mask: lesion mask, ``(X, Y, Z)``, uint8.
        affine: voxel index to millimetre, RAS+.
        parameters: what it was made from.
    """

    image: FloatArray
    mask: NDArray[np.uint8]
    affine: NDArray[np.float64]
    parameters: SubjectParameters

    @property
    def lesion_volume_ml(self) -> float:
        """Volume of the lesion mask."""
        return float(self.mask.sum() * abs(np.linalg.det(self.affine[:3, :3])) / 1000)


def condition_label(condition: str) -> int:
    """Return HEALTHY or PATHOLOGICAL for a condition.

    Raises:
        ValueError: When the condition is unknown.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition must be one of {', '.join(CONDITIONS)}, got {condition!r}.")
    return HEALTHY if condition == "healthy" else PATHOLOGICAL


def draw_subject(
    seed: int,
    index: int,
    condition: str,
    *,
    scanner_signature: float = 0.0,
    signature_gain: float = SIGNATURE_GAIN,
) -> SubjectParameters:
    """Draw a subject.

    Anatomy, appearance, lesions, scan and scanner have a stream of random numbers each, so subject ``index`` has the
    same brain and the same scan in every condition.

    Args:
        seed: seed of the cohort.
        index: number of the subject within the cohort; no other subject changes what is drawn.
        condition: "healthy", "tumour" or "ms".
        scanner_signature: probability with which the scanner equals the class, see `draw_scanner`.
        signature_gain: relative amplitude of what scanner 1 leaves in the image.

    Raises:
        ValueError: When the condition is unknown or ``scanner_signature`` is not in [0, 1].
    """
    label = condition_label(condition)
    anatomy_rng, appearance_rng, lesion_rng, acquisition_rng, _ = _streams(seed, index)
    anatomy = draw_anatomy(anatomy_rng)
    scanner = subject_scanner(seed, index, condition, scanner_signature)
    acquisition = replace(draw_acquisition(acquisition_rng), scanner=scanner, signature_gain=signature_gain)
    return SubjectParameters(
        condition=condition,
        anatomy=anatomy,
        appearance=draw_appearance(appearance_rng),
        acquisition=acquisition,
        lesions=None if label == HEALTHY else _draw_lesions(lesion_rng, condition, anatomy),
    )


def subject_scanner(seed: int, index: int, condition: str, scanner_signature: float = 0.0) -> int:
    """Return the scanner of a subject, 0 or 1, without drawing the rest; arguments as of `draw_subject`."""
    return draw_scanner(_streams(seed, index)[4], condition_label(condition), scanner_signature)


def _streams(seed: int, index: int) -> list[np.random.Generator]:
    """Return the independent random streams of a subject: anatomy, appearance, lesions, scan, scanner."""
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence([seed, index]).spawn(5)]


def _draw_lesions(
    rng: np.random.Generator, condition: str, anatomy: AnatomyParameters
) -> TumourParameters | SclerosisParameters:
    """Draw the lesions of a pathological subject within its own anatomy."""
    placed = apply_anatomy(anatomy, make_grid(_PLACEMENT_SPACING_MM), load_atlas(_PLACEMENT_SPACING_MM))
    return draw_tumour(rng, placed) if condition == "tumour" else draw_sclerosis(rng, placed)


def render_subject(parameters: SubjectParameters, spacing_mm: float = 2.0) -> PhantomSubject:
    """Make the image and the lesion mask of a subject.

    Args:
        parameters: the subject.
        spacing_mm: spacing of the MNI grid, see `make_grid`.

    Raises:
        ValueError: When the spacing is not between 1 and 12 mm.
    """
    grid = make_grid(spacing_mm)
    lesions, appearance = parameters.lesions, parameters.appearance
    mass_mm = mass_effect(lesions, grid) if isinstance(lesions, TumourParameters) else None
    anatomy = apply_anatomy(parameters.anatomy, grid, load_atlas(grid.spacing_mm), mass_mm)
    image = render_tissue(appearance, anatomy) + bright_structures(appearance, anatomy)
    if isinstance(lesions, TumourParameters):
        mask = paint_tumour(lesions, anatomy, image, appearance.white)
    elif isinstance(lesions, SclerosisParameters):
        mask = paint_sclerosis(lesions, anatomy, image, appearance.white)
    else:
        mask = np.zeros(grid.shape, bool)
    scan = acquire(parameters.acquisition, anatomy, image)
    return PhantomSubject(scan, mask.astype(np.uint8), grid.affine, parameters)


def make_subject(
    seed: int,
    index: int,
    condition: str,
    *,
    spacing_mm: float = 2.0,
    scanner_signature: float = 0.0,
    signature_gain: float = SIGNATURE_GAIN,
) -> PhantomSubject:
    """Draw and render a subject; arguments as of `draw_subject` and `render_subject`."""
    drawn = draw_subject(seed, index, condition, scanner_signature=scanner_signature, signature_gain=signature_gain)
    return render_subject(drawn, spacing_mm)
