"""Networks of the shipped configs, narrow and with weights that matter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

CONFIGS = Path(__file__).parents[2] / "configs"
GRID_SHAPE = [23, 27, 23]


def network_of(config: str, norm: str = "none") -> torch.nn.Module:
    """Make the network of an inference config for a small grid, with other widths and norm and random weights."""
    parser = ConfigParser()
    parser.read_config(CONFIGS / config)
    parser["grid_shape"] = GRID_SHAPE
    parser["network_def::classifier::channels"] = [4, 8, 8]
    parser["network_def::classifier::norm"] = norm
    if norm != "none":
        parser["network_def::classifier::convex"] = False
    network: torch.nn.Module = parser.get_parsed_content("network_def")
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2, generator=generator)
    if network.has_atlas:
        network.atlas.fit(1.0 + 2.0 * torch.randn(5, 1, *GRID_SHAPE, generator=generator))
    return network.eval()


@pytest.fixture(scope="session")
def make_network():
    return network_of


@pytest.fixture
def bundle_dir(tmp_path):
    """Make a bundle that can be changed: texts and weights are copies, the package is a link to the real one."""
    root, folder = CONFIGS.parent, tmp_path / "bundle_of_a_test"
    for name in ("configs", "eval", "models"):
        shutil.copytree(root / name, folder / name)
    for name in ("LICENSE", "metadata.json", "docs/README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, folder / name)
    (folder / "bundle").symlink_to(root / "bundle", target_is_directory=True)
    return folder
