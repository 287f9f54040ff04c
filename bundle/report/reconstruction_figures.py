"""What reconstruction networks make of slices: image, reconstruction and anomaly map side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from monai.bundle import ConfigParser
from monai.transforms import Compose, LoadImage
from monai.utils import convert_to_tensor

from bundle.conventions import IMAGE, MASK, SUBJECT, split_prediction
from bundle.data import LoadFlaird, RobustNormalizeIntensityd
from bundle.data.files import written_whole
from bundle.handlers import misfit
from bundle.handlers.saving import load_safely
from bundle.networks.reconstruction import ReconstructionNet

_PANELS = ("image", "reconstruction", "map")


@dataclass(frozen=True)
class ReconstructedSlice:
    """A slice as a network sees it, what it makes of it, and its map; ``(X, Y)`` each."""

    image: torch.Tensor
    reconstruction: torch.Tensor
    anomaly: torch.Tensor

    @property
    def error(self) -> float:
        """Root mean square of the residual inside the brain, in the unit of [0, 1]."""
        return float((self.image - self.reconstruction)[self.image != 0].square().mean().sqrt())


def load_reconstruction_net(run_dir: Path) -> ReconstructionNet:
    """Return the network of a training, in evaluation mode.

    Args:
        run_dir: output folder of the training, with ``config.json`` and ``model.pt``.

    Raises:
        FileNotFoundError: When one of the files does not exist.
        ValueError: When the network is no reconstruction network of slices, or the weights cannot be read or do not
            fit it.
    """
    config, weights = run_dir / "config.json", run_dir / "model.pt"
    for path in (config, weights):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; name the output folder of a finished training")
    network = ConfigParser(
        {"network_def": json.loads(config.read_text(encoding="utf-8")).get("network_def")}
    ).get_parsed_content("network_def")
    if not isinstance(network, ReconstructionNet) or len(network.image_size) != 2:
        raise ValueError(
            f"{config}: the network must reconstruct slices, got {type(network).__name__}; name a training of "
            "configs/train_reconstruction.yaml"
        )
    state = load_safely(weights)
    problem = misfit(network, state)
    if problem:
        raise ValueError(f"{weights}: the weights do not fit {config}: {problem}; train again")
    network.load_state_dict(state)
    return network.eval()


def reconstruct_slice(network: ReconstructionNet, entry: Mapping[str, Any]) -> ReconstructedSlice:
    """Return what a network makes of a slice.

    Args:
        network: network in evaluation mode.
        entry: entry of a datalist of slices.
    """
    load = Compose([LoadFlaird(keys=IMAGE, spatial_dims=2), RobustNormalizeIntensityd(keys=IMAGE)])
    x = convert_to_tensor(load({IMAGE: entry[IMAGE]})[IMAGE], track_meta=False)[None]
    with torch.no_grad():
        image, reconstruction = network.reconstruct(x)
        anomaly, _ = split_prediction(network(x))
    return ReconstructedSlice(*(tensor[0, 0] for tensor in (image, reconstruction, anomaly)))


def draw_reconstructions(runs: Mapping[str, Path], entries: Sequence[Mapping[str, Any]], output: Path) -> Path:
    """Draw slices with one row a training and three panels a slice.

    The maps of a training share one scale, from 0 to its highest value in these slices. The outline is the lesion. The
    number is the root mean square of the residual inside the brain, of intensities from 0 to 1.

    Args:
        runs: label -> output folder of a training.
        entries: entries of a datalist of slices.
        output: picture to write.

    Raises:
        FileNotFoundError: When a training lacks its files.
        ValueError: When a training is of another network.
    """
    networks = {label: load_reconstruction_net(folder) for label, folder in runs.items()}
    columns = len(_PANELS) * len(entries)
    figure = Figure(figsize=(1.5 * columns, 1.75 * len(networks) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(networks), columns, squeeze=False)
    for row, (label, network) in zip(grid, networks.items(), strict=True):
        found = [reconstruct_slice(network, entry) for entry in entries]
        highest = max(float(part.anomaly.max()) for part in found) or 1.0
        for place, (entry, part) in enumerate(zip(entries, found, strict=True)):
            axes = row[len(_PANELS) * place : len(_PANELS) * (place + 1)]
            _draw_slice(axes, part, _lesion(entry), highest)
            axes[1].set_xlabel(f"{part.error:.3f}", fontsize=7, labelpad=1)
        row[0].set_ylabel(label, fontsize=8)
    for place, entry in enumerate(entries):
        for axis, name in zip(grid[0][len(_PANELS) * place :], _PANELS, strict=False):
            axis.set_title(f"{entry[SUBJECT]}\n{name}" if name == _PANELS[0] else name, fontsize=7)
    with written_whole(output) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
    return output


def _draw_slice(axes: Sequence[Axes], part: ReconstructedSlice, lesion: torch.Tensor | None, highest: float) -> None:
    pictures = ((part.image, "gray", 1.0), (part.reconstruction, "gray", 1.0), (part.anomaly, "inferno", highest))
    for axis, (picture, colours, top) in zip(axes, pictures, strict=True):
        axis.imshow(picture.T.flip(0), cmap=colours, vmin=0.0, vmax=top)  # RAS+: anterior up, right to the right
        if lesion is not None and bool(lesion.any()):
            axis.contour(lesion.T.flip(0), levels=[0.5], colors="#56B4E9", linewidths=0.7)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)


def _lesion(entry: Mapping[str, Any]) -> torch.Tensor | None:
    if MASK not in entry:
        return None
    mask = LoadImage(image_only=True)(entry[MASK])
    return (convert_to_tensor(mask, track_meta=False).squeeze() > 0).float()
