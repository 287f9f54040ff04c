"""Picture of one result: image, attribution map and anomaly outline in slices through the largest anomaly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

_AXES_OF_SLICE = {0: ("sagittal", 1, 2), 1: ("coronal", 0, 2), 2: ("axial", 0, 1)}
_BACKGROUND = "black"


def focus(mask: NDArray[Any], attribution: NDArray[Any]) -> tuple[int, ...]:
    """Return the voxel that slices are drawn through.

    Args:
        mask: anomaly mask.
        attribution: attribution map on the same grid.

    Returns:
        The voxel of the largest connected anomaly that is nearest to its centre of mass; without an anomaly the voxel
        of highest attribution.
    """
    if not mask.any():
        return tuple(int(index) for index in np.unravel_index(np.argmax(attribution), attribution.shape))
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    voxels = np.argwhere(labels == int(np.argmax(sizes)))
    nearest = int(np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)))
    return tuple(int(index) for index in voxels[nearest])


def draw_overlay(
    path: Path,
    image: NDArray[Any],
    attribution: NDArray[Any],
    mask: NDArray[Any],
    affine: NDArray[Any],
    title: str = "",
) -> None:
    """Draw image | attribution map | anomaly outline in three orthogonal slices, the patient's left on the left.

    A 2D slice is drawn alone, in the plane that its affine gives. The map is blue where a voxel speaks for health and
    red where it speaks for pathology, on a scale that is symmetric around zero and ends at the 99.5th percentile of its
    magnitude in the brain.

    Args:
        path: PNG file to write.
        image: z-scored image, zero outside the brain.
        attribution: attribution map, zero outside the brain.
        mask: anomaly mask.
        affine: voxel-to-world matrix, 4x4, in millimetres.
        title: line above the picture.

    Shape:
        - image, attribution, mask: ``(X, Y, Z)`` or ``(X, Y)``; trailing axes of length 1 are dropped.

    Raises:
        ValueError: When the arrays do not share one grid of two or three axes.
    """
    volumes = [_canonical(array, affine) for array in (image, attribution, mask)]
    shapes = {volume.shape for volume, _ in volumes}
    if len(shapes) != 1 or len(volumes[0][0].shape) != 3:
        raise ValueError(f"an overlay needs three images of one 2D or 3D grid, got shapes {sorted(shapes)}.")
    (image, spacing_mm), (attribution, _), (mask, _) = volumes
    centre = focus(mask, attribution)
    brain = image != 0
    magnitude = np.abs(attribution[brain]) if brain.any() else np.abs(attribution)
    limit = float(np.percentile(magnitude, 99.5)) or 1.0
    window = tuple(np.percentile(image[brain], (0.5, 99.5))) if brain.any() else (0.0, 1.0)

    planes = [axis for axis in (2, 1, 0) if image.shape[axis] == 1] or [2, 1, 0]
    figure = Figure(figsize=(9.6, 9.6 if len(planes) == 3 else 4.4), facecolor=_BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(planes), 3, squeeze=False)
    for row, axis in zip(axes, planes, strict=True):
        name, horizontal, vertical = _AXES_OF_SLICE[axis]
        aspect = spacing_mm[vertical] / spacing_mm[horizontal]
        grey, blend, outline = (np.take(volume, centre[axis], axis).T for volume in (image, attribution, mask))
        shown = np.ma.masked_where(np.take(brain, centre[axis], axis).T == 0, blend)
        grey = np.where(np.take(brain, centre[axis], axis).T, grey, window[0])
        for panel in row:
            panel.imshow(grey, cmap="gray", origin="lower", aspect=aspect, vmin=window[0], vmax=window[1])
            panel.set_axis_off()
        colours = row[1].imshow(shown, cmap="RdBu_r", origin="lower", aspect=aspect, vmin=-limit, vmax=limit)
        if outline.any():
            row[2].contour(outline > 0, levels=[0.5], colors="#ff3b30", linewidths=1.2)
        row[0].set_title(name, color="white", fontsize=9)
    axes[0][1].set_title("attribution", color="white", fontsize=9)
    axes[0][2].set_title("anomaly", color="white", fontsize=9)
    bar = figure.colorbar(colours, ax=axes, orientation="horizontal", shrink=0.5, pad=0.01, aspect=40)
    bar.set_label("attribution of the logit (red: pathological)", color="white", fontsize=8)
    bar.ax.tick_params(colors="white", labelsize=7)
    if title:
        figure.suptitle(title, color="white", fontsize=11)
    figure.savefig(path, dpi=100, format="png", metadata={"Software": None})


def _canonical(array: NDArray[Any], affine: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return an array in RAS+ orientation, with three axes if it has two or three, and its voxel size."""
    array = np.asarray(array, dtype=np.float32)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3:
        return array, np.ones(array.ndim)
    volume: Any = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(volume.dataobj), np.asarray(volume.header.get_zooms())
