"""Multiple sclerosis: lesions in the white matter, most beside the ventricles or the cortex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bundle.data.phantom.anatomy import Anatomy
from bundle.data.phantom.atlas import FloatArray
from bundle.data.phantom.fields import draw_controls, evaluate_field, rotate, smooth_step

_MAX_LESIONS = 60


@dataclass(frozen=True)
class SclerosisParameters:
    """All lesions of one subject; row i of every array is lesion i.

    Args:
        centres_mm: centres, ``(n, 3)``.
        axes: matrices that make a lesion's ellipsoid a unit ball, 1/mm, ``(n, 3, 3)``.
        radii_mm: mean radii, ``(n,)``.
        brightness: relative to the subject's white matter, ``(n,)``; grey matter lies at about 1.25.
        rough: control points of the outlines' irregularity.
        irregularity: standard deviation of the outlines, as a share of the radius.
        edge_mm: width of the outlines' transition.
    """

    centres_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    radii_mm: NDArray[np.float64]
    brightness: NDArray[np.float64]
    rough: FloatArray
    irregularity: float
    edge_mm: float


def draw_sclerosis(rng: np.random.Generator, anatomy: Anatomy) -> SclerosisParameters:
    """Draw lesions until a log-normal lesion load (median 10 ml) is reached.

    Args:
        rng: random generator.
        anatomy: the subject's anatomy on a coarse grid, to place the lesions.
    """
    load_ml = float(np.clip(np.exp(rng.normal(np.log(10.0), 0.45)), 3.0, 30.0))
    sites, chances, outward = _sites(anatomy)
    level = rng.uniform(1.35, 1.95)  # lesions of one subject resemble each other
    centres: list[NDArray[np.float64]] = []
    axes: list[NDArray[np.float64]] = []
    radii: list[float] = []
    volume_ml = 0.0
    while volume_ml < load_ml and len(radii) < _MAX_LESIONS:
        radius_mm = float(np.clip(np.exp(rng.normal(np.log(4.3), 0.35)), 2.2, 8.0))
        site = rng.choice(len(sites), p=chances)
        centres.append(
            np.asarray(anatomy.grid.origin_mm) + anatomy.grid.spacing_mm * (sites[site] + rng.uniform(-0.5, 0.5, 3))
        )
        axes.append(_finger(rng, outward[site], radius_mm))
        radii.append(radius_mm)
        volume_ml += 4 / 3 * np.pi * radius_mm**3 / 1000
    return SclerosisParameters(
        centres_mm=np.array(centres),
        axes=np.array(axes),
        radii_mm=np.array(radii),
        brightness=np.clip(level + rng.normal(0, 0.14, len(radii)), 1.15, 2.1),
        rough=draw_controls(rng, 5.0),
        irregularity=float(rng.uniform(0.08, 0.2)),
        edge_mm=float(rng.uniform(0.8, 1.8)),
    )


def _sites(anatomy: Anatomy) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return candidate voxels, their chances, and the direction away from the ventricles at each."""
    height_mm = anatomy.grid.axes_mm()[2][None, None, :]
    candidate = (anatomy.white > 0.75) & (anatomy.depth_mm > 5) & (height_mm > -30)
    cortex = ndimage.gaussian_filter(anatomy.grey, 3.0 / anatomy.grid.spacing_mm) * (anatomy.ventricle_mm > 15)
    weight: FloatArray = np.asarray(
        0.10
        + 3.0 * smooth_step(anatomy.ventricle_mm, 10.0, 2.0)  # periventricular
        + 1.2 * smooth_step(cortex, 0.25, 0.5)  # juxtacortical
    )
    weight = np.where(height_mm > -15, weight, 0.1)  # few below the tentorium
    sites = np.argwhere(candidate)
    chances = weight[candidate].astype(np.float64)
    gradient = np.moveaxis(np.array(np.gradient(anatomy.ventricle_mm)), 0, -1)[candidate]
    outward = gradient / (np.linalg.norm(gradient, axis=-1, keepdims=True) + 1e-6)
    return sites, chances / chances.sum(), outward.astype(np.float64)


def _finger(rng: np.random.Generator, outward: NDArray[np.float64], radius_mm: float) -> NDArray[np.float64]:
    """Return an ellipsoid that is longest away from the ventricles (Dawson's finger), as a matrix in 1/mm."""
    frame = rng.standard_normal((3, 3))
    frame[:, 0] = outward + 0.3 * frame[:, 0]
    turn, _ = np.linalg.qr(frame)
    stretch = np.array([rng.uniform(1.0, 1.7), rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2)])
    stretch /= np.prod(stretch) ** (1 / 3)
    return np.asarray(np.diag(1 / (radius_mm * stretch)) @ turn.T)


def paint_sclerosis(
    lesions: SclerosisParameters, anatomy: Anatomy, image: FloatArray, white_level: float
) -> NDArray[np.bool_]:
    """Add the lesions to an image, in place, and return their exact extent.

    Args:
        lesions: the lesions.
        anatomy: the subject's anatomy.
        image: noise-free image of the anatomy.
        white_level: brightness of the subject's white matter.

    Shape:
        - image: ``grid.shape``.
        - output: ``grid.shape``, True where at least half of a voxel is lesion.
    """
    grid = anatomy.grid
    rough = np.float32(lesions.irregularity) * evaluate_field(lesions.rough, grid)
    share = np.zeros(grid.shape, np.float32)
    target = np.zeros(grid.shape, np.float32)
    coordinates = grid.axes_mm()
    rows = zip(lesions.centres_mm, lesions.axes, lesions.radii_mm, lesions.brightness, strict=True)
    for centre_mm, axes, radius_mm, brightness in rows:
        reach_mm = 2.2 * radius_mm + 2 * lesions.edge_mm
        box = tuple(
            slice(*np.searchsorted(axis, (centre - reach_mm, centre + reach_mm)))
            for axis, centre in zip(coordinates, centre_mm, strict=True)
        )
        offset = [axis[part] - np.float32(c) for axis, part, c in zip(coordinates, box, centre_mm, strict=True)]
        offset_mm = np.stack(np.meshgrid(*offset, indexing="ij"))
        radius = np.sqrt((rotate(axes, offset_mm) ** 2).sum(axis=0))
        edge = lesions.edge_mm / radius_mm
        here = smooth_step(radius + rough[box], 1 + edge, 1 - edge)
        stronger = here > share[box]
        target[box][stronger] = brightness
        share[box][stronger] = here[stronger]
    tissue = anatomy.white + np.float32(0.6) * anatomy.grey
    share *= smooth_step(tissue, 0.35, 0.75) * anatomy.brain  # within white matter, into the cortex's lower part
    image += share * (target * np.float32(white_level) - image)
    return share >= 0.5
