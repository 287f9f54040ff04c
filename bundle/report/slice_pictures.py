"""Slices of a subject as colour pictures: image with the true outline, attribution map, and masks against the truth."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bundle.handlers.report_slices import ReportPlane, ReportSlices

# Of the palette of Okabe and Ito; the three also differ in brightness, for readers who see no colours.
FOUND, FALSE, MISSED = "#F0E442", "#D55E00", "#56B4E9"
OUTLINE = "#F0E442"
MAP_COLOURS = "RdBu_r"  # blue speaks for health, red for pathology, white is zero

_QUALITY = 86
_GAP = 4  # pixels between panels


def panel_titles(slices: ReportSlices) -> list[str]:
    """Return what the panels of a picture show, from left to right."""
    truth = "image, true outline" if slices.annotated else "image"
    return [truth, "attribution map", *(f"called: {score}" for score in _shown(slices.planes[0]))]


def draw_panels(slices: ReportSlices, plane: ReportPlane, size: int) -> list[NDArray[np.uint8]]:
    """Draw a slice: image, map, and what each of the method and the last score called.

    Args:
        slices: slices of the subject.
        plane: the slice to draw.
        size: height and width of a panel in pixels.

    Shape:
        - output: ``(size, size, 3)`` each.
    """
    height, width = (extent * mm for extent, mm in zip(plane.image.shape, plane.spacing_mm, strict=True))
    scale = size / max(height, width)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    low, high = slices.window
    image = _resized(plane.image, shape, Image.Resampling.BICUBIC)
    grey = np.clip((image - low) / (high - low if high > low else 1.0), 0, 1)
    brain, lesion = (_resized_mask(mask, shape) for mask in (plane.brain, plane.lesion))
    grey = np.repeat(np.where(brain, grey, 0)[..., None], 3, axis=-1)
    colours = mpl.colormaps[MAP_COLOURS](0.5 + 0.5 * _resized(plane.attribution, shape, Image.Resampling.BILINEAR))
    edge = _edge(lesion)
    panels = [grey.copy(), np.where(brain[..., None], colours[..., :3], 0)]
    panels[0][edge] = _rgb(OUTLINE)
    panels[1][edge] = 0
    for score in _shown(plane):
        called = _resized_mask(plane.called[score], shape)
        panel = 0.8 * grey
        for mask, colour in ((called & lesion, FOUND), (called & ~lesion, FALSE), (lesion & ~called, MISSED)):
            panel[mask] = 0.35 * panel[mask] + 0.65 * _rgb(colour)
        panels.append(panel)
    return [_square(panel, size) for panel in panels]


def strip_jpeg(slices: ReportSlices, plane: ReportPlane, size: int) -> bytes:
    """Return the panels of a slice side by side, as JPEG."""
    gap = np.full((size, _GAP, 3), 255, dtype=np.uint8)
    parts = [part for panel in draw_panels(slices, plane, size) for part in (gap, panel)][1:]
    content = io.BytesIO()
    Image.fromarray(np.concatenate(parts, axis=1)).save(content, "JPEG", quality=_QUALITY, subsampling=0)
    return content.getvalue()


def _shown(plane: ReportPlane) -> list[str]:
    """Return the method and the score that comes last, the baseline."""
    return list(dict.fromkeys([next(iter(plane.called)), list(plane.called)[-1]]))


def _resized(array: NDArray[np.float32], shape: tuple[int, int], method: Image.Resampling) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(np.asarray(array, dtype=np.float32)).resize(shape[::-1], method))


def _resized_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    return _resized(mask.astype(np.float32), shape, Image.Resampling.BILINEAR) >= 0.5


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the two pixels around a mask, so that what lies inside stays visible; one in a small picture."""
    return ndimage.binary_dilation(mask, iterations=2 if max(mask.shape) >= 200 else 1) & ~mask


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def _square(panel: NDArray[np.floating], size: int) -> NDArray[np.uint8]:
    square = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - panel.shape[0]) // 2, (size - panel.shape[1]) // 2
    square[top : top + panel.shape[0], left : left + panel.shape[1]] = (255 * np.clip(panel, 0, 1)).round()
    return square
