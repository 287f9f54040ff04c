"""Tiny slices, a tiny plan over them, and cells that run in the test's own process."""

from __future__ import annotations

import shutil
import sys

import fire
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import run as run_workflow
from monai.utils import set_determinism

from bundle.compare import DONE, CellRunner, Outcome
from bundle.compare.plan import ROOT
from scripts.make_slices import main as make_slices

WIDTHS = {"network_def::classifier::channels": [4, 8, 8], "device": "cpu"}


@pytest.fixture(scope="session")
def slices(tmp_path_factory):
    """Ten patients with three slices of 40 x 36 each, an ellipse with noise; the second one has a bright square."""
    folder = tmp_path_factory.mktemp("slices")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:40j, -1:1:36j]
    mask = np.zeros((30, 40, 36), np.uint8)
    mask[1::3, 12:18, 20:27] = 1
    image = ((x**2 + y**2 < 0.8) * (100 + 10 * rng.standard_normal(mask.shape) + 60 * mask)).astype(np.uint8)
    patient, rel_z = np.repeat(list("abcdefghij"), 3), np.tile([0.4, 0.5, 0.6], 10)
    np.savez(folder / "a.npz", image=image, mask=mask, patient=patient, rel_z=rel_z)
    make_slices([str(folder / "a.npz"), "--output_dir", str(folder / "made"), "--fractions", "0.6", "0.2", "0.2"])
    return folder / "made"


@pytest.fixture(scope="session")
def copied_slices(slices, tmp_path_factory):
    return shutil.copytree(slices, tmp_path_factory.mktemp("copy") / "elsewhere")


@pytest.fixture
def content(slices):
    """The content of a plan that can be run in seconds."""
    return {
        "cohorts": {"tiny": {"dataset_dir": str(slices), "spatial_dims": 2}},
        "methods": ["unsup"],
        "seeds": [0],
        "overrides": WIDTHS,
        "train_overrides": {"max_epochs": 1, "batch_size": 6, "num_workers": 0},
        "evaluate_overrides": {"report": False},
    }


@pytest.fixture
def write_plan(tmp_path):
    def write(content):
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def in_process(monkeypatch):
    """Run the command lines of cells in this process, which saves a new one's imports; return the cells that ran."""
    ran = []

    def process(self, cell, slot, claim):
        cell.describe()
        assert cell.command[:4] == (sys.executable, "-m", "monai.bundle", "run")
        fire.Fire(run_workflow, command=list(cell.command[4:]))
        cell.mark_complete(0.0)
        ran.append(cell.name)
        return Outcome(cell, DONE)

    monkeypatch.setattr(CellRunner, "_process", process)
    monkeypatch.chdir(ROOT)
    with torch.random.fork_rng(devices=[]):
        yield ran
        set_determinism(None)
