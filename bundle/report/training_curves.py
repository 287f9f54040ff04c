"""Curves of training runs, drawn from the TensorBoard events that they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

Curve = tuple[list[int], list[float]]
"""Epochs in ascending order, and the value at each."""

PANELS = {
    "val_accuracy": ("Validation accuracy", (-0.02, 1.02)),
    "val_healthy_negative_fraction": ("Healthy voxels negative, evaluation mode", (-0.02, 1.02)),
    "healthy_negative_fraction": ("Healthy voxels negative, training mode", (-0.02, 1.02)),
    "classification_loss": ("Classification loss", None),
}
"""Tag of a curve -> title of its panel, and limits where they are known; others have a logarithmic scale."""

# The palette of Okabe and Ito, which colour-blind readers can tell apart, without its yellow, too pale for a line.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")


def read_training_curves(run_dir: Path) -> dict[str, Curve]:
    """Read the scalars of a run from all event files of its folder.

    A run that was interrupted and resumed has several files. Where two hold the same step, the later value is taken.

    Args:
        run_dir: output folder of a training.

    Returns:
        Tag -> curve.

    Raises:
        FileNotFoundError: When the folder has no event file.
    """
    files = sorted(run_dir.glob("events.out.tfevents.*"))
    if not files:
        raise FileNotFoundError(f"{run_dir}: a run's folder must hold TensorBoard events, got none; check the path")
    latest: dict[str, dict[int, Any]] = {}
    for file in files:
        events = EventAccumulator(str(file), size_guidance={SCALARS: 0})  # 0 keeps every value
        events.Reload()
        for tag in events.Tags()["scalars"]:
            values = latest.setdefault(tag, {})
            for event in events.Scalars(tag):
                if event.step not in values or event.wall_time >= values[event.step].wall_time:
                    values[event.step] = event
    return {
        tag: (sorted(values), [float(values[step].value) for step in sorted(values)]) for tag, values in latest.items()
    }


def training_figure(runs: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw one panel a quantity and one line a run, over epochs.

    Args:
        runs: label of a run -> its curves, see `read_training_curves`. A quantity that a run did not log has no line.

    Raises:
        ValueError: When there is no run, or more than can be told apart.
    """
    most = len(_COLOURS) * len(_STYLES)
    if not 1 <= len(runs) <= most:
        raise ValueError(f"a picture must show 1 to {most} runs, got {len(runs)}. Draw several pictures.")
    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2).flat
    for axis, (tag, (title, limits)) in zip(axes, PANELS.items(), strict=True):
        for number, (label, curves) in enumerate(runs.items()):
            epochs, values = curves.get(tag, ([], []))
            style = _STYLES[number // len(_COLOURS)]
            marker = "o" if len(epochs) == 1 else None  # a line needs two points
            colour = _COLOURS[number % len(_COLOURS)]
            axis.plot(epochs, values, color=colour, linestyle=style, linewidth=1.4, marker=marker, label=label)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if limits is not None:
            axis.set_ylim(*limits)
        else:
            axis.set_yscale("log")  # the paper's setting has a loss a hundred thousand times the default's
        axis.grid(alpha=0.3, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(runs), 4), frameon=False)
    return figure


def draw_training_curves(runs: Mapping[str, Path], output_file: Path) -> Path:
    """Read runs and write their picture.

    Args:
        runs: label of a run -> its folder.
        output_file: PNG to write.

    Returns:
        ``output_file``.
    """
    figure = training_figure({label: read_training_curves(folder) for label, folder in runs.items()})
    output_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output_file, dpi=110, format="png", metadata={"Software": None})
    return output_file
