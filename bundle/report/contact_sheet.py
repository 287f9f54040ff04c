"""A picture of some subjects of a datalist, to look at before training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bundle.conventions import CONDITION, IMAGE, MASK, SUBJECT, TEST
from bundle.data.records import load_datalist


def draw_contact_sheet(datalist: Path, output_file: Path, *, section: str = TEST, columns: int = 8) -> Path:
    """Draw one row a condition and one subject a column, the lesion mask outlined.

    The axial slice is the one with the most lesion, or the middle of the brain.

    Args:
        datalist: datalist file.
        output_file: PNG to write.
        section: section of the datalist.
        columns: number of subjects of each condition.

    Returns:
        ``output_file``.

    Raises:
        ValueError: When ``columns`` is below 1.
    """
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    rows: dict[str, list[dict[str, Any]]] = {}
    for entry in load_datalist(datalist, section):
        rows.setdefault(entry[CONDITION], []).append(entry)
    columns = min(columns, max(len(entries) for entries in rows.values()))
    figure = Figure(figsize=(1.5 * columns, 1.95 * len(rows)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for row, entries in zip(axes, rows.values(), strict=True):
        for axis, entry in zip(row, entries, strict=False):
            _draw_subject(axis, entry)
    output_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output_file, dpi=110)
    return output_file


def _draw_subject(axis: Axes, entry: dict[str, Any]) -> None:
    """Draw one axial slice in neurological orientation (left is left)."""
    image = np.asarray(nib.Nifti1Image.from_filename(entry[IMAGE]).dataobj, dtype=np.float32)
    mask = (
        np.asarray(nib.Nifti1Image.from_filename(entry[MASK]).dataobj) > 0
        if MASK in entry
        else np.zeros(image.shape, bool)
    )
    areas = mask.sum(axis=(0, 1)) if mask.any() else (image > 0).sum(axis=(0, 1))
    level = int(np.argmax(areas))
    high = float(np.percentile(image[image > 0], 99.5))
    axis.imshow(image[:, :, level].T, origin="lower", cmap="gray", vmin=0, vmax=high)
    if mask.any():
        axis.contour(mask[:, :, level].T, [0.5], colors="#ff4d4d", linewidths=0.7)
    axis.set_title(f"{entry[CONDITION]} {entry[SUBJECT]}", color="white", fontsize=6)
