"""Tiny volumes, a tiny network and the command line of monai.bundle for the tests of whole workflows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.anomaly import save_thresholds
from tests import warm_process

ROOT = Path(__file__).parents[2]
CHANNELS = (4, 8, 8)
GRID_SHAPE = [30, 36, 30]
GRID = {"--grid_shape": str(GRID_SHAPE), "--grid_spacing_mm": "6.0", "--network_def#classifier#channels": "[4,8,8]"}


def network_of(config: str, channels: Sequence[int] = CHANNELS) -> torch.nn.Module:
    """Make the network of a workflow with other widths, for the small grid."""
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / config)
    parser["grid_shape"] = GRID_SHAPE
    parser["network_def::classifier::channels"] = list(channels)
    return parser.get_parsed_content("network_def")


def write_volume(path: Path, seed: int, *, label: int, shape=(30, 34, 28), spacing_mm=(5.0, 5.5, 6.0)) -> Path:
    """Write an ellipsoidal brain with noise, and beside it the mask of a bright ball when ``label`` is 1."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    lesion = ((grid - np.array([0.3, 0.2, 0.0])[:, None, None, None]) ** 2).sum(0) < 0.06 * label
    image = np.where(brain, 100 + 10 * rng.standard_normal(shape) + 60 * lesion, 0).astype(np.float32)
    affine = np.diag([-spacing_mm[0], *spacing_mm[1:], 1.0])  # LAS: inference has to flip and to flip back
    affine[:3, 3] = [80.0, -110.0, -70.0]
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image, affine), path)
    nib.save(nib.Nifti1Image(lesion.astype(np.uint8), affine), path.with_name(path.name.replace("flair", "lesion")))
    return path


def workflow_arguments(config: str, *overrides: str, **options: object) -> list[str]:
    """Return the arguments of `monai.bundle` that run a workflow on the small grid."""
    config_file = config if config.startswith("[") else f"configs/{config}"  # several are given as a list
    arguments = [
        "run",
        "--config_file",
        config_file,
        "--device",
        "cpu",
        *(part for pair in GRID.items() for part in pair),
    ]
    return [*arguments, *overrides, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]


def bundle_process(config: str, *overrides: str, **options: object) -> dict[str, object]:
    """Return the arguments of `subprocess` that run a workflow in a process of its own, as a user does."""
    command = [sys.executable, "-m", "monai.bundle", *workflow_arguments(config, *overrides, **options)]
    return {"args": command, "cwd": ROOT, "env": {**os.environ, **warm_process.ENVIRONMENT}}


def run(config: str, *overrides: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a workflow to its end."""
    return warm_process.run_module("monai.bundle", workflow_arguments(config, *overrides, **options))


def start(config: str, *overrides: str, **options: object) -> subprocess.Popen[bytes]:
    """Start a workflow and return; its output is thrown away and its loader workers are in its process group."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(**bundle_process(config, *overrides, **options), **quiet, start_new_session=True)


def write_cohort(folder: Path, subjects: Sequence[tuple[str, int, str]]) -> Path:
    """Write volumes and their datalist; ``subjects`` holds section, label and condition of each."""
    datalist: dict[str, list[dict[str, object]]] = {}
    for number, (section, label, condition) in enumerate(subjects):
        subject = f"sub-{number}"
        path = write_volume(folder / "images" / f"{subject}_flair.nii.gz", number, label=label)
        entry = {"subject": subject, "image": f"images/{path.name}", "label": label, "condition": condition}
        if label:
            entry["mask"] = f"images/{subject}_lesion.nii.gz"
        datalist.setdefault(section, []).append(entry)
    (folder / "datalist.json").write_text(json.dumps(datalist))
    return folder


@pytest.fixture(scope="session")
def run_bundle():
    return run


@pytest.fixture(scope="session")
def start_bundle():
    return start


@pytest.fixture(scope="session")
def bundle_arguments():
    return bundle_process


@pytest.fixture(scope="session")
def make_network():
    return network_of


@pytest.fixture(scope="session")
def make_volume():
    return write_volume


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    torch.manual_seed(1)
    network = network_of("inference.yaml")
    with torch.no_grad():  # a map of both signs: the image speaks for health, its bright hinges for pathology
        first = network.classifier.blocks[0].conv.weight
        first[:, :1] = -0.5 * first[:, 1:].sum(1, keepdim=True)
    path = tmp_path_factory.mktemp("models") / "model.pt"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def other_model_file(tmp_path_factory):
    """Weights of a network with other widths than the workflows are given."""
    path = tmp_path_factory.mktemp("other_models") / "wide.pt"
    torch.save(network_of("inference.yaml", (4, 8, 16)).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def threshold_file(model_file):
    path = model_file.with_name("threshold.json")
    save_thresholds(path, model_file, {"attribution": 0.0, "intensity": 2.0})
    return path


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    return write_cohort(
        tmp_path_factory.mktemp("cohort"),
        [
            ("validation", 1, "tumour"),
            ("validation", 0, "healthy"),
            ("test", 1, "tumour"),
            ("test", 1, "ms"),
            ("test", 0, "healthy"),
        ],
    )


@pytest.fixture(scope="session")
def training_cohort(tmp_path_factory):
    sections = ["training"] * 6 + ["validation"] * 2
    subjects = [(section, number % 2, "tumour" if number % 2 else "healthy") for number, section in enumerate(sections)]
    return write_cohort(tmp_path_factory.mktemp("training_cohort"), subjects)
