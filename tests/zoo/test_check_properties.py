"""MONAI finds every property of the workflows on data, as the zoo's unit tests ask, and MONAI Label its keys."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

ROOT = Path(__file__).parents[2]
WORKFLOWS = {"train": "train", "evaluate": "evaluation", "inference": "inference"}
MONAI_LABEL = {
    "inference": ["device", "bundle_root", "network_def", "preprocessing", "postprocessing", "inferer"],
    "train": [
        *("device", "bundle_root", "network", "network_def", "train::trainer::max_epochs", "train::dataset::data"),
        *("train::handlers", "validate::dataset::data"),
    ],
}
"""What monailabel 0.8.5 reads in tasks/infer/bundle.py and tasks/train/bundle.py."""


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    """Write one healthy subject and one patient for every section."""
    folder = tmp_path_factory.mktemp("cohort")
    brain = np.pad(np.random.default_rng(0).normal(100.0, 10.0, (10, 12, 10)), 2).astype(np.float32)
    nib.save(nib.Nifti1Image(brain, np.diag([8.0, 8.0, 8.0, 1.0])), folder / "flair.nii.gz")
    nib.save(nib.Nifti1Image((brain > 110).astype(np.uint8), np.diag([8.0, 8.0, 8.0, 1.0])), folder / "mask.nii.gz")
    entries = [
        {"subject": "a", "image": "flair.nii.gz", "label": 0, "condition": "healthy"},
        {"subject": "b", "image": "flair.nii.gz", "label": 1, "condition": "tumour", "mask": "mask.nii.gz"},
    ]
    sections = {
        name: [{**entry, "subject": f"{name}-{entry['subject']}"} for entry in entries]
        for name in ("training", "validation", "test")
    }
    (folder / "datalist.json").write_text(json.dumps(sections))
    return folder


@pytest.mark.filterwarnings("ignore:'(min|cumulative)_delta' is deprecated:DeprecationWarning")  # MONAI's
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_check_properties(workflow, dataset_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    images = dataset_dir / "flair.nii.gz" if workflow == "inference" else dataset_dir
    found = ConfigWorkflow(
        config_file=f"configs/{workflow}.yaml",
        workflow_type=WORKFLOWS[workflow],
        dataset_dir=str(images),
        output_dir=str(tmp_path / "out"),
        device=torch.device("cpu"),
    )
    found.initialize()
    assert found.check_properties() == []


@pytest.mark.parametrize("workflow", MONAI_LABEL)
def test_keys_of_monai_label(workflow):
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / f"{workflow}.yaml")
    assert [key for key in MONAI_LABEL[workflow] if key not in parser] == []
