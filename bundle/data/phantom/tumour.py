"""A glioma: irregular oedema that follows the white matter, a core, a necrosis, and the mass effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.data.phantom.anatomy import Anatomy
from bundle.data.phantom.atlas import FloatArray, Grid
from bundle.data.phantom.fields import draw_controls, evaluate_field, rotate, rounded, smooth_step


@dataclass(frozen=True)
class TumourParameters:
    """One tumour; brightness is relative to the subject's white matter.

    Args:
        centre_mm: centre.
        axes: matrix that makes the tumour's ellipsoid a unit ball, 1/mm, ``(3, 3)``.
        radius_mm: mean radius of the oedema.
        broad: control points of the outline's broad irregularity.
        fine: control points of the outline's fine irregularity.
        irregularity: standard deviation of the outline, as a share of the radius.
        core: radius of the core as a share of the oedema's.
        core_offset_mm: position of the core's centre relative to the tumour's.
        necrosis: radius of the necrosis as a share of the oedema's; 0 for none.
        oedema_brightness: oedema, at its inner border.
        core_brightness: solid core.
        necrosis_brightness: necrosis.
        rim_brightness: brightness added in a thin rim around the core.
        mottle: standard deviation of the brightness inside the tumour.
        mass_mm: largest displacement of the tissue around.
        edge_mm: width of the outline's transition.
    """

    centre_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    radius_mm: float
    broad: FloatArray
    fine: FloatArray
    irregularity: float
    core: float
    core_offset_mm: NDArray[np.float64]
    necrosis: float
    oedema_brightness: float
    core_brightness: float
    necrosis_brightness: float
    rim_brightness: float
    mottle: float
    mass_mm: float
    edge_mm: float


def draw_tumour(rng: np.random.Generator, anatomy: Anatomy) -> TumourParameters:
    """Draw a tumour for a subject.

    Args:
        rng: random generator.
        anatomy: the subject's healthy anatomy on a coarse grid, to place the tumour in tissue.
    """
    radius_mm = float(np.clip(np.exp(rng.normal(np.log(27.0), 0.28)), 14.0, 40.0))
    fits = (anatomy.grey + anatomy.white > 0.7) & (anatomy.depth_mm > min(0.55 * radius_mm, 14.0))
    sites = np.argwhere(fits & (_height_mm(anatomy.grid) > -25.0))  # above the posterior fossa
    site = sites[rng.integers(len(sites))] + rng.uniform(-0.5, 0.5, 3)
    centre_mm = np.asarray(anatomy.grid.origin_mm) + anatomy.grid.spacing_mm * site
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch = np.exp(rng.normal(0, 0.18, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    core = float(rng.uniform(0.3, 0.65)) if rng.random() < 0.85 else 0.0
    return TumourParameters(
        centre_mm=centre_mm,
        axes=np.diag(1 / (radius_mm * stretch)) @ turn,
        radius_mm=radius_mm,
        broad=draw_controls(rng, 14.0),
        fine=draw_controls(rng, 6.0),
        irregularity=float(rng.uniform(0.10, 0.22)),
        core=core,
        core_offset_mm=rng.normal(0, 0.15 * radius_mm, 3),
        necrosis=core * float(rng.uniform(0.4, 0.8)) if rng.random() < 0.5 else 0.0,
        oedema_brightness=float(rng.uniform(1.40, 2.05)),
        core_brightness=float(rng.uniform(1.0, 1.9)),
        necrosis_brightness=float(rng.uniform(0.25, 0.9)),
        rim_brightness=float(rng.uniform(0.0, 0.35)),
        mottle=float(rng.uniform(0.03, 0.10)),
        mass_mm=float(rng.uniform(0.08, 0.30) * radius_mm),
        edge_mm=float(rng.uniform(1.0, 4.0)),
    )


def mass_effect(tumour: TumourParameters, grid: Grid) -> FloatArray:
    """Return by how much the tumour has pushed the tissue that now lies at each voxel.

    The displacement points away from the centre, is zero there, largest (``mass_mm``) at 0.6 radii and fades out.

    Shape:
        - output: ``(3, *grid.shape)``, mm.
    """
    offset_mm = _offset_mm(grid, tumour.centre_mm)
    ratio = np.sqrt((offset_mm**2).sum(axis=0)) / np.float32(0.6 * tumour.radius_mm)
    # r * exp((1 - r^2) / 2) is 0 at the centre and 1 at r = 1
    strength = np.float32(tumour.mass_mm / (0.6 * tumour.radius_mm)) * rounded(np.exp, (1 - ratio**2) / 2)
    return np.asarray(offset_mm * strength, dtype=np.float32)


def paint_tumour(
    tumour: TumourParameters, anatomy: Anatomy, image: FloatArray, white_level: float
) -> NDArray[np.bool_]:
    """Add a tumour to an image, in place, and return its exact extent.

    Args:
        tumour: the tumour.
        anatomy: the subject's anatomy with the mass effect.
        image: noise-free image of the anatomy.
        white_level: brightness of the subject's white matter.

    Shape:
        - image: ``grid.shape``.
        - output: ``grid.shape``, True where at least half of a voxel is tumour.
    """
    offset_mm = _offset_mm(anatomy.grid, tumour.centre_mm)
    broad, fine = (evaluate_field(controls, anatomy.grid) for controls in (tumour.broad, tumour.fine))
    rough = np.float32(tumour.irregularity) * (broad + np.float32(0.45) * fine)
    level = _radius(tumour.axes, offset_mm) + rough + np.float32(0.25) * anatomy.grey  # oedema spares the cortex
    inner = _radius(tumour.axes, offset_mm - tumour.core_offset_mm.astype(np.float32).reshape(3, 1, 1, 1))
    inner = inner + np.float32(0.6) * rough
    edge = tumour.edge_mm / tumour.radius_mm
    tissue = smooth_step(anatomy.grey + anatomy.white, 0.25, 0.75)
    share = smooth_step(level, 1 + edge, 1 - edge)
    share *= np.maximum(tissue, smooth_step(inner, tumour.core + 0.1, tumour.core - 0.1))  # a core fills sulci
    share *= anatomy.brain
    level_of = np.float32(tumour.oedema_brightness) - np.float32(0.2) * np.clip(level, 0, 1)
    brightness = level_of + np.float32(tumour.mottle) * fine
    brightness = _blend(brightness, tumour.core_brightness + tumour.mottle * broad, inner, tumour.core)
    rim = rounded(np.exp, -(((inner - np.float32(tumour.core)) / np.float32(0.08)) ** 2)) if tumour.core else 0.0
    brightness = brightness + np.float32(tumour.rim_brightness) * rim
    brightness = _blend(brightness, np.float32(tumour.necrosis_brightness), inner, tumour.necrosis)
    image += share * (brightness * np.float32(white_level) - image)
    return share >= 0.5


def _blend(outside: FloatArray, inside: FloatArray | np.floating, radius: FloatArray, border: float) -> FloatArray:
    """Take ``inside`` within a border and ``outside`` beyond it, with a narrow transition; a border of 0 is none."""
    if border <= 0:
        return outside
    weight = smooth_step(radius, border + 0.06, border - 0.06)
    return np.asarray(outside + weight * (inside - outside), dtype=np.float32)


def _offset_mm(grid: Grid, centre_mm: NDArray[np.float64]) -> FloatArray:
    """Return each voxel's position relative to a centre, ``(3, *shape)``."""
    axes = [axis - np.float32(centre) for axis, centre in zip(grid.axes_mm(), centre_mm, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _radius(axes: NDArray[np.float64], offset_mm: FloatArray) -> FloatArray:
    """Return the elliptic radius, 1 on the ellipsoid."""
    return np.sqrt((rotate(axes, offset_mm) ** 2).sum(axis=0))


def _height_mm(grid: Grid) -> FloatArray:
    """Return the z coordinate, broadcastable over the grid."""
    return grid.axes_mm()[2][None, None, :]
