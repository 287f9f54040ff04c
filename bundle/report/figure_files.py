"""What the figures of a comparison share: panels, colours that all can tell apart, and their files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bundle.data.files import written_whole

# The palette of Okabe and Ito, which colour-blind readers can tell apart, without its yellow, too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
"""One a colour, for print without colours."""

_COLUMNS = 3


def panels(titles: list[str]) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel each, at most three in a row."""
    columns = min(len(titles), _COLUMNS)
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.9 * rows + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in grid[len(titles) :]:
        axis.remove()
    for axis, title in zip(grid, titles, strict=False):
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(grid[: len(titles)])


def add_legend(figure: Figure) -> None:
    """Add one legend of all panels, each label once, below them."""
    entries = {
        label: handle for axis in figure.axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=min(len(entries), 4), frameon=False
    )


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.png`` and ``name.svg``, each in one step, with the same bytes for the same figure."""
    written = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = folder / f"{name}.{kind}"
        with written_whole(path) as part, mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(part, dpi=110, format=kind, metadata=metadata)
        written.append(path)
    return written
