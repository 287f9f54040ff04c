"""What the scanner does: slice thickness, coil shading, noise, intensity scale and a site's signature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bundle.data.phantom.anatomy import Anatomy
from bundle.data.phantom.atlas import FloatArray, Grid
from bundle.data.phantom.fields import draw_controls, evaluate_field, rounded

_FWHM = 2.3548  # full width at half maximum of a Gaussian, in standard deviations
_STRIPE_MM = 11.0  # wavelength of the signature of scanner 1
SIGNATURE_GAIN = 0.02
"""Relative amplitude of the signature: below the noise of most subjects."""


@dataclass(frozen=True)
class AcquisitionParameters:
    """One scan.

    Args:
        blur_mm: full width at half maximum along x, y, z; one axis is the slice direction.
        bias: control points of the bias field.
        bias_sd: standard deviation of the bias field's logarithm.
        coil_mm: position of the coil that shades the image; beyond the head.
        coil_gain: brightness that the coil adds at the nearest point of the head.
        noise: standard deviation of the noise, relative to white matter of about 0.75.
        noise_seed: seed of the noise.
        gamma: exponent of the intensity curve.
        scale: stored intensity of brightness 1; images are rounded to whole numbers like a scanner's.
        scanner: 0 or 1; 1 leaves oblique stripes.
        signature_gain: relative amplitude of the stripes.
    """

    blur_mm: tuple[float, float, float]
    bias: FloatArray
    bias_sd: float
    coil_mm: NDArray[np.float64]
    coil_gain: float
    noise: float
    noise_seed: int
    gamma: float
    scale: float
    scanner: int
    signature_gain: float = SIGNATURE_GAIN


def draw_acquisition(rng: np.random.Generator) -> AcquisitionParameters:
    """Draw one scan, by scanner 0 (see `draw_scanner`)."""
    blur_mm = rng.uniform(0.8, 2.2, 3)
    blur_mm[rng.integers(3)] = rng.uniform(1.0, 5.0)
    direction = rng.standard_normal(3)
    return AcquisitionParameters(
        blur_mm=(float(blur_mm[0]), float(blur_mm[1]), float(blur_mm[2])),
        bias=draw_controls(rng, 70.0),
        bias_sd=float(rng.uniform(0.02, 0.10)),
        coil_mm=np.array([0.0, -18.0, 10.0]) + 110.0 * direction / np.linalg.norm(direction),
        coil_gain=float(rng.uniform(0.0, 0.25)),
        noise=float(rng.uniform(0.008, 0.045)),
        noise_seed=int(rng.integers(2**63)),
        gamma=float(np.exp(rng.normal(0, 0.08))),
        scale=float(np.exp(rng.uniform(np.log(200), np.log(8000)))),
        scanner=0,
    )


def draw_scanner(rng: np.random.Generator, label: int, strength: float) -> int:
    """Return the scanner of a subject: with probability ``strength`` its label, otherwise a fair coin.

    Args:
        rng: random generator.
        label: 0 healthy, 1 pathological.
        strength: 0 makes scanner and class independent, 1 makes them one.

    Raises:
        ValueError: When ``strength`` is not in [0, 1].
    """
    check_strength(strength)
    tied, coin = rng.random() < strength, int(rng.integers(2))  # both are drawn: strength shifts no later draw
    return label if tied else coin


def check_strength(strength: float) -> None:
    """Check the strength of a scanner signature.

    Raises:
        ValueError: When ``strength`` is not in [0, 1].
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"scanner_signature must be from 0 (independent of the class) to 1 (equal), got {strength}.")


def acquire(scan: AcquisitionParameters, anatomy: Anatomy, image: FloatArray) -> FloatArray:
    """Turn a noise-free image into a scan.

    Args:
        scan: the scan.
        anatomy: the subject; the scan is 0 outside its brain and at least 1 inside.
        image: noise-free image.

    Shape:
        - image: ``grid.shape``.
        - output: ``grid.shape``, whole numbers.
    """
    grid = anatomy.grid
    for axis, width_mm in enumerate(scan.blur_mm):
        image = ndimage.gaussian_filter1d(image, width_mm / _FWHM / grid.spacing_mm, axis=axis, truncate=3.0)
    image = np.maximum(image, 0) * rounded(np.exp, np.float32(scan.bias_sd) * evaluate_field(scan.bias, grid))
    shading = rounded(np.exp, -(_distance_mm(grid, scan.coil_mm) - 45) / np.float32(30))
    image *= 1 + np.float32(scan.coil_gain) * shading
    if scan.scanner == 1:
        image *= 1 + np.float32(scan.signature_gain) * _stripes(grid)
    rng = np.random.default_rng(scan.noise_seed)
    sigma = np.float32(scan.noise)
    image = image + sigma * rng.standard_normal(grid.shape, dtype=np.float32)
    image = np.sqrt(image**2 + (sigma * rng.standard_normal(grid.shape, dtype=np.float32)) ** 2)  # Rician magnitude
    image = np.rint(np.float32(scan.scale) * rounded(np.power, image, scan.gamma))
    return np.where(anatomy.brain, np.clip(image, 1, 32767), 0).astype(np.float32)


def _distance_mm(grid: Grid, point_mm: NDArray[np.float64]) -> FloatArray:
    """Return each voxel's distance to a point."""
    x, y, z = (axis - np.float32(value) for axis, value in zip(grid.axes_mm(), point_mm, strict=True))
    return np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)


def _stripes(grid: Grid) -> FloatArray:
    """Return a plane wave of amplitude 1 in a fixed oblique direction."""
    x, y, z = grid.axes_mm()
    phase = (0.48 * x)[:, None, None] + (0.60 * y)[None, :, None] + (0.64 * z)[None, None, :]
    return rounded(np.sin, np.float32(2 * np.pi / _STRIPE_MM) * phase)
