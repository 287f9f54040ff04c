"""One picture a subject for quality control: registration, brain mask and bias correction at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from bundle.data.phantom.atlas import Grid
from bundle.preprocessing.geometry import sitk_array
from bundle.preprocessing.resampling import reference
from bundle.preprocessing.settings import Settings
from bundle.preprocessing.template import load_template

if TYPE_CHECKING:
    from bundle.preprocessing.pipeline import Preprocessed

# Of the palette of Okabe and Ito, which colour-blind readers can tell apart.
TEMPLATE, SUBJECT, LESION = "#56B4E9", "#E69F00", "#D55E00"
ROWS = {
    "on the template": "registered image; blue: edge of the template's brain, vermilion: lesion mask",
    "template": "template; orange: edge of the registered brain",
    "native": "native image; orange: edge of its brain mask",
    "before N4": "brain before bias correction",
    "after N4": "brain after bias correction",
}
"""Row of the picture -> what it shows."""

_CUTS = ((2, 0.3), (2, 0.5), (2, 0.7), (1, 0.5), (0, 0.35), (0, 0.5))  # axis, share of the brain's extent
_PANEL = 150  # pixels

FloatArray = NDArray[np.float32]
Outlines = dict[str, NDArray[np.bool_]]


def draw_picture(path: Path, result: Preprocessed, settings: Settings) -> None:
    """Draw the rows of `ROWS` that a subject has, six slices each, the patient's left on the left.

    Args:
        path: PNG file to write.
        result: the subject.
        settings: parameters.
    """
    rows = [_row(title, *content) for title, content in _contents(result, settings)]
    Image.fromarray(np.concatenate(rows)).save(path, "PNG")


def _contents(result: Preprocessed, settings: Settings) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield title, volume, voxel size, region that the cuts go through, and outlines of every row."""
    grid = settings.grid
    template_image, template_brain = _template_on(grid)
    spacing_mm = np.full(3, grid.spacing_mm)
    lesion: Outlines = {} if result.mask is None else {LESION: result.mask > 0}
    yield "on the template", (result.image, spacing_mm, template_brain, {TEMPLATE: template_brain, **lesion})
    yield "template", (template_image, spacing_mm, template_brain, {SUBJECT: result.image != 0})
    native, native_mm = result.native.array, voxel_sizes(result.native.affine)
    yield "native", (native, native_mm, result.brain, {SUBJECT: result.brain})
    if settings.n4:
        yield "before N4", (np.where(result.brain, native, 0), native_mm, result.brain, {})
        yield "after N4", (sitk_array(result.corrected), native_mm, result.brain, {})


@lru_cache(maxsize=1)
def _template_on(grid: Grid) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the template's image and brain on a grid."""
    template, target = load_template(1), reference(grid.shape, grid.affine)
    brain = sitk.Resample(template.brain, target, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk_array(sitk.Resample(template.image, target)), sitk_array(brain) > 0


def _row(
    title: str, volume: FloatArray, spacing_mm: NDArray[Any], region: NDArray[np.bool_], outlines: Outlines
) -> NDArray[np.uint8]:
    """Draw one row."""
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    low, high = np.percentile(volume[region], (0.5, 99.5))
    panels = []
    for axis, share in _CUTS:
        index = round(box[axis].start + share * (box[axis].stop - 1 - box[axis].start))
        grey = np.clip((np.take(volume, index, axis) - low) / max(float(high - low), 1e-6), 0, 1)
        cuts = {colour: np.take(mask, index, axis) for colour, mask in outlines.items()}
        panels.append(_panel(grey, cuts, np.delete(spacing_mm, axis)))
    row = Image.fromarray(np.concatenate(panels, axis=1))
    ImageDraw.Draw(row).text((4, 2), title, fill="white")
    return np.asarray(row)


def _panel(grey: FloatArray, outlines: Outlines, spacing_mm: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw one slice with its outlines into a square, its second axis upwards."""
    extent = np.array(grey.shape) * spacing_mm
    width, height = (max(1, round(length * _PANEL / extent.max())) for length in extent)
    resized = Image.fromarray(np.ascontiguousarray(255 * grey.T[::-1]).astype(np.uint8)).resize((width, height))
    panel = np.repeat(np.asarray(resized)[..., None], 3, axis=-1)
    for colour, mask in outlines.items():
        scaled = Image.fromarray(np.ascontiguousarray(mask.T[::-1])).resize((width, height), Image.Resampling.NEAREST)
        inside = np.asarray(scaled)
        panel[inside & ~ndimage.binary_erosion(inside)] = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    square = np.zeros((_PANEL, _PANEL, 3), np.uint8)
    top, left = (_PANEL - height) // 2, (_PANEL - width) // 2
    square[top : top + height, left : left + width] = panel
    return square
