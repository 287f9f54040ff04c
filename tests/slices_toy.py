"""A tiny 2D data set for tests that run whole workflows on slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.make_slices import main as make_slices


def make_toy_slices(folder: Path) -> Path:
    """Ten patients with three slices of 40 x 36 each, an ellipse with noise; the second one has a bright square."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:40j, -1:1:36j]
    mask = np.zeros((30, 40, 36), np.uint8)
    mask[1::3, 12:18, 20:27] = 1
    image = ((x**2 + y**2 < 0.8) * (100 + 10 * rng.standard_normal(mask.shape) + 60 * mask)).astype(np.uint8)
    patient, rel_z = np.repeat(list("abcdefghij"), 3), np.tile([0.4, 0.5, 0.6], 10)
    np.savez(folder / "a.npz", image=image, mask=mask, patient=patient, rel_z=rel_z)
    make_slices([str(folder / "a.npz"), "--output_dir", str(folder / "made"), "--fractions", "0.6", "0.2", "0.2"])
    return folder / "made"
