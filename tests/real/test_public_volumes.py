"""Both workflows on real FLAIR volumes; the plain intensity baseline does not depend on any weights."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.anomaly import save_thresholds
from scripts.cohort import main as cohort
from tests.warm_process import run_module

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SUBJECTS = ("Brats18_CBICA_ALU_1", "ljubljana26", "tabriz104252")  # three sources, three grids

pytestmark = pytest.mark.skipif(not (DATA / "ms").is_dir(), reason="the folder ../shared/data is missing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("real")
    cohort(["build", "folders", str(DATA), "--section", "test", "--output", str(path / "all.json")])
    entries = json.loads((path / "all.json").read_text())["test"]
    assert len(entries) == 15 and all("mask" in entry for entry in entries)
    entries = [entry for entry in entries if entry["subject"] in SUBJECTS]
    (path / "datalist.json").write_text(json.dumps({"test": entries}))
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    parser["network_def::classifier::channels"] = [4, 8, 8]
    network = parser.get_parsed_content("network_def")
    torch.save(network.state_dict(), path / "model.pt")
    thresholds = {"attribution": 0.0, "input_weighted": 0.0, "intensity": 2.0}  # every score of evaluate.yaml
    save_thresholds(path / "threshold.json", path / "model.pt", thresholds)
    return path


def run(config, folder, **options):
    arguments = ["run", "--config_file", f"configs/{config}", "--device", "cpu"]
    options |= {"model_file": folder / "model.pt", "threshold_file": folder / "threshold.json"}
    options |= {"network_def#classifier#channels": "[4,8,8]"}
    arguments += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    result = run_module("monai.bundle", arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_evaluate(folder):
    output = run("evaluate.yaml", folder, datalist=folder / "datalist.json", output_dir=folder / "evaluation")
    assert "tabriz104252: 5533 ml of the image are not zero" in output  # this set keeps the skull
    record = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    auprc = {row["subject"]: row["intensity_auprc"] for row in record["subjects"]}
    assert auprc == pytest.approx(dict(zip(SUBJECTS, (0.419, 0.248, 0.0086), strict=True)), abs=2e-3)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_inference(folder, subject):
    image = next(DATA.glob(f"*/{subject}_flair.nii.gz"))
    run("inference.yaml", folder, dataset_dir=image, output_dir=folder / "out")
    source = nib.load(image)
    mask = nib.load(folder / "out" / f"{subject}_flair" / f"{subject}_flair_anomaly.nii.gz")
    assert mask.shape == source.shape
    np.testing.assert_allclose(mask.affine, source.affine)
    assert 0 < mask.get_fdata().mean() < 1 and not mask.get_fdata()[source.get_fdata() == 0].any()
