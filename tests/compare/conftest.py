"""Tiny slices, a tiny plan over them, and cells that run in the test's own process."""

from __future__ import annotations

import shutil
import sys

import fire
import pytest
import torch
import yaml
from monai.bundle import run as run_workflow
from monai.utils import set_determinism

from bundle.compare import DONE, CellRunner, Outcome
from bundle.compare.plan_values import ROOT
from tests.slices_toy import make_toy_slices

WIDTHS = {"network_def::classifier::channels": [4, 8, 8], "device": "cpu"}


@pytest.fixture(scope="session")
def slices(tmp_path_factory):
    return make_toy_slices(tmp_path_factory.mktemp("slices"))


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
