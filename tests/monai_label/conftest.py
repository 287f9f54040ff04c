"""A real MONAI Label server on this machine, with a copy of the bundle and a data store of synthetic and bad images."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests
import torch

from bundle.data.phantom import make_subject
from bundle.preprocessing.head_phantom import add_head
from scripts.monai_label.client import Client
from scripts.monai_label.serve import NAME

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("MONAI_LABEL_PYTHON", ROOT / ".venv-monai-label" / "bin" / "python")).absolute()
SPACING_MM = 3.0
START_S = 240.0  # 15 s on an idle machine; longer where other tests run beside this one
TINY = "tiny_segmentation"
TINY_NETWORK = """
import torch


class Bright(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.limit = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image):
        return image - self.limit
"""
TINY_CONFIG = {
    "device": "cpu",
    "network_def": {"_target_": "scripts.network.Bright"},
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True}],
    },
    "inferer": {"_target_": "SimpleInferer"},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "AsDiscreted", "keys": "pred", "threshold": 1.0e-6}],
    },
}


@dataclass(frozen=True)
class Server:
    """A running server, its folder of images, and the bundle that it serves."""

    client: Client
    tiny: Client
    studies: Path
    bundle: Path
    seconds: float


@pytest.fixture(scope="session")
def say():
    """Write a line of the transcript, which pytest shows with -s."""

    def line(text: str) -> None:
        sys.stdout.write(f"  {text}\n")

    sys.stdout.write("\n")
    return line


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """A patient, a patient with skull, and images that cannot be segmented."""
    folder = tmp_path_factory.mktemp("studies")
    patient = make_subject(7, 1, "tumour", spacing_mm=SPACING_MM)
    head = add_head(patient.image, SPACING_MM, seed=1)
    affine = np.diag([-SPACING_MM, SPACING_MM, SPACING_MM, 1.0])  # LAS, which has to be turned and turned back
    affine[:3, 3] = [90.0, -120.0, -70.0]
    shape = patient.image.shape
    ct = np.where(patient.image > 0, 40.0, -1000.0) + np.random.default_rng(0).normal(0, 5, shape)
    images = {
        "patient": patient.image,
        "head": head.image,
        "empty": np.zeros(shape),
        "ct": ct,
        "lesion": patient.mask,
        "series": np.stack([patient.image] * 3, axis=-1),
    }
    for name, array in images.items():
        nib.save(nib.Nifti1Image(array.astype(np.float32), affine), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory):
    """Another bundle with a package called scripts, as most of the Model Zoo's have."""
    folder = tmp_path_factory.mktemp("other") / TINY
    for name in ("configs", "models", "scripts"):
        (folder / name).mkdir(parents=True)
    (folder / "scripts" / "__init__.py").touch()
    (folder / "scripts" / "network.py").write_text(TINY_NETWORK)
    (folder / "configs" / "inference.json").write_text(json.dumps(TINY_CONFIG))
    fmt = {"inputs": {"image": {"spatial_shape": [8, 8, 8]}}, "outputs": {"pred": {"channel_def": {"1": "bright"}}}}
    metadata = {"version": "0.0.1", "description": "tiny", "network_data_format": fmt}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.save({"limit": torch.zeros(())}, folder / "models" / "model.pt")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory, studies, tiny_bundle, say):
    """Start the server from a copy of the bundle, so that its trainings write there."""
    if not PYTHON.is_file():
        pytest.skip(f"{PYTHON} does not exist: make monai-label")
    bundle = tmp_path_factory.mktemp("copy") / NAME
    for name in ("bundle", "configs", "models", "scripts"):
        shutil.copytree(ROOT / name, bundle / name, ignore=shutil.ignore_patterns("__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    work = tmp_path_factory.mktemp("work")
    command = [str(PYTHON), "-m", "scripts.monai_label.serve", "--studies", str(studies), "--port", str(port)]
    command += ["--app", str(work), "--bundle", str(tiny_bundle)]
    session = str(tmp_path_factory.mktemp("sessions"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "MONAI_LABEL_SESSION_PATH": session}
    start = time.perf_counter()
    with (work / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=bundle, env=environment, stdout=log, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(url, process, work / "server.log")
            seconds = time.perf_counter() - start
            say(f"start-up                       {seconds:6.1f} s  {NAME} and {TINY} at {url}")
            yield Server(Client(url), Client(url, TINY), studies, bundle, seconds)
            assert process.poll() is None, "the server ended during the tests"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if requests.get(f"{url}/info/", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError(f"the server did not answer in {START_S:g} s\n{log.read_text()[-3000:]}")
