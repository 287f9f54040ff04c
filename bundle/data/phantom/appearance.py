"""FLAIR brightness of healthy tissue, and the bright structures that every subject has, lesions or not.

Nothing here knows the subject's condition: the distribution is the same in healthy and pathological subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.data.phantom.anatomy import Anatomy
from bundle.data.phantom.atlas import FloatArray
from bundle.data.phantom.fields import draw_controls, evaluate_field, rounded, smooth_step


@dataclass(frozen=True)
class Patches:
    """Bright patches where a smooth random field is high.

    Args:
        controls: control points of the field.
        threshold: field value at which a patch begins.
        gain: brightness added in the middle of a patch.
    """

    controls: FloatArray
    threshold: float
    gain: float


@dataclass(frozen=True)
class AppearanceParameters:
    """Tissue brightness and bright structures of one subject.

    Args:
        grey: brightness of grey matter.
        white: brightness of white matter.
        fluid: brightness of cerebrospinal fluid.
        regional: control points of the slow brightness variation of tissue.
        texture: control points of the fine brightness variation of tissue.
        regional_sd: standard deviation of the slow variation, relative.
        texture_sd: standard deviation of the fine variation, relative.
        deep_grey: brightness of the deep nuclei relative to the cortex.
        caps: periventricular caps and bands.
        caps_mm: thickness of the caps.
        cortex: bright cortex, such as insula and cingulum.
        flow: flow artefacts in the fluid.
        rim: bright rim at the brain's outline, remains of dura and vessels.
        vessels: control points whose common zero lines are the vessels.
        vessel_width: width of the vessels in field units; 0.1 is about 1 mm.
        vessel_patches: where vessels are bright.
    """

    grey: float
    white: float
    fluid: float
    regional: FloatArray
    texture: FloatArray
    regional_sd: float
    texture_sd: float
    deep_grey: float
    caps: Patches
    caps_mm: float
    cortex: Patches
    flow: Patches
    rim: Patches
    vessels: tuple[FloatArray, FloatArray]
    vessel_width: float
    vessel_patches: Patches


def draw_appearance(rng: np.random.Generator) -> AppearanceParameters:
    """Draw one subject's tissue brightness and bright structures."""
    return AppearanceParameters(
        grey=float(rng.uniform(0.85, 1.0)),
        white=float(rng.uniform(0.68, 0.80)),
        fluid=float(rng.uniform(0.08, 0.25)),
        regional=draw_controls(rng, 28.0),
        texture=draw_controls(rng, 7.0),
        regional_sd=float(rng.uniform(0.015, 0.05)),
        texture_sd=float(rng.uniform(0.01, 0.03)),
        deep_grey=float(rng.uniform(0.82, 1.0)),
        caps=_draw_patches(rng, 14.0, (-0.2, 1.0), (0.1, 0.5)),
        caps_mm=float(rng.uniform(2.0, 6.0)),
        cortex=_draw_patches(rng, 12.0, (0.5, 1.4), (0.1, 0.5)),
        flow=_draw_patches(rng, 10.0, (0.5, 1.5), (0.1, 0.9)),
        rim=_draw_patches(rng, 14.0, (0.8, 1.7), (0.1, 0.7)),
        vessels=(draw_controls(rng, 9.0), draw_controls(rng, 9.0)),
        vessel_width=float(rng.uniform(0.08, 0.16)),
        vessel_patches=_draw_patches(rng, 20.0, (0.0, 1.0), (0.2, 0.9)),
    )


def _draw_patches(
    rng: np.random.Generator, knot_spacing_mm: float, threshold: tuple[float, float], gain: tuple[float, float]
) -> Patches:
    """Draw patches with threshold and gain uniform in their ranges."""
    return Patches(draw_controls(rng, knot_spacing_mm), float(rng.uniform(*threshold)), float(rng.uniform(*gain)))


def render_tissue(appearance: AppearanceParameters, anatomy: Anatomy) -> FloatArray:
    """Return the noise-free image of healthy tissue without bright structures, 0 outside the brain.

    Shape:
        - output: ``grid.shape``.
    """
    grid = anatomy.grid
    central = smooth_step(anatomy.ventricle_mm, 30.0, 20.0) * smooth_step(anatomy.depth_mm, 25.0, 35.0)
    grey = np.float32(appearance.grey) * (1 - np.float32(1 - appearance.deep_grey) * central)
    image = grey * anatomy.grey + np.float32(appearance.white) * anatomy.white
    variation = np.float32(appearance.regional_sd) * evaluate_field(appearance.regional, grid)
    variation += np.float32(appearance.texture_sd) * evaluate_field(appearance.texture, grid)
    image *= 1 + variation
    image += np.float32(appearance.fluid) * anatomy.fluid
    return image


def bright_structures(appearance: AppearanceParameters, anatomy: Anatomy) -> FloatArray:
    """Return the brightness that caps, bright cortex, flow artefacts, rim and vessels add; never negative.

    Shape:
        - output: ``grid.shape``.
    """
    white = np.float32(appearance.white)
    near = smooth_step(anatomy.ventricle_mm, appearance.caps_mm, 0.3 * appearance.caps_mm)
    added = white * _patches(appearance.caps, anatomy) * near * (anatomy.white + anatomy.grey)
    added += white * _patches(appearance.cortex, anatomy) * anatomy.grey
    added += white * _patches(appearance.flow, anatomy) * anatomy.fluid
    surface = smooth_step(anatomy.depth_mm, 4.0, 1.0) * anatomy.brain
    added += white * _patches(appearance.rim, anatomy) * surface
    first, second = (evaluate_field(controls, anatomy.grid) for controls in appearance.vessels)
    tube = rounded(np.exp, -(first**2 + second**2) / np.float32(2 * appearance.vessel_width**2))
    outer = np.clip(2 * anatomy.fluid + 0.7 * anatomy.grey + surface, 0, 1)
    added += white * _patches(appearance.vessel_patches, anatomy) * tube * outer
    return added


def _patches(patches: Patches, anatomy: Anatomy) -> FloatArray:
    """Return the gain of patches, 0 between them."""
    field = evaluate_field(patches.controls, anatomy.grid)
    return np.float32(patches.gain) * smooth_step(field, patches.threshold, patches.threshold + 0.7)
