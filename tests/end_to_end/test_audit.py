"""The audit of an evaluated model from its config, on volumes and on slices, and what a user can get wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from monai.bundle import run as run_workflow

from bundle.anomaly import load_thresholds, save_thresholds
from tests.slices_toy import make_toy_slices

CONFIGS = Path(__file__).parents[2] / "configs"
VOLUMES = {"grid_shape": [30, 36, 30], "grid_spacing_mm": 6.0}
WIDTHS = {"network_def::classifier::channels": [4, 8, 8], "device": "cpu"}

# MONAI's and Ignite's own; tests of the parts have warnings as errors
pytestmark = pytest.mark.filterwarnings("ignore")


def run(*names, **options):
    """Run a workflow in this process, which saves a new one's imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CONFIGS.parent)
        options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        run_workflow(config_file=[str(CONFIGS / f"{name}.yaml") for name in names], **{**WIDTHS, **options})


@pytest.fixture(scope="module", params=["volumes", "slices"])
def place(request, cohort, model_file, make_network, tmp_path_factory):
    """Configs and options of an evaluation in 3D and in 2D, and the evaluation, whose patients are all called."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "volumes":
        configs, options = ["evaluate"], {**VOLUMES, "dataset_dir": cohort, "model_file": model_file}
    else:
        torch.manual_seed(1)
        network = make_network("inference_2d.yaml")
        torch.save(network.state_dict(), folder / "model.pt")
        options = {"dataset_dir": make_toy_slices(folder), "model_file": folder / "model.pt"}
        configs = ["evaluate", "evaluate_2d"]
    run(*configs, **options, output_dir=folder / "calibrated", report=False, calibrate_only=True)
    record = load_thresholds(folder / "calibrated" / "threshold.json")
    save_thresholds(folder / "threshold.json", options["model_file"], record["thresholds"], decision_logit=-1.0e6)
    options |= {"threshold_file": folder / "threshold.json", "output_dir": folder / "evaluation"}
    run(*configs, **options, report=False)
    return configs, options


def test_audit_of_an_evaluation(place):
    configs, options = place
    folder = options["output_dir"]
    run(*configs, "audit", **options, draws=3)
    audit = json.loads((folder / "audit.json").read_text())
    evaluated = {row["subject"]: row for row in json.loads((folder / "evaluation.json").read_text())["subjects"]}
    patients = [subject for subject, row in evaluated.items() if row["label"] == 1]
    assert sorted(row["subject"] for row in audit["subjects"] + audit["left_out"]) == sorted(patients)
    assert audit["subjects"]
    for row in audit["subjects"]:
        before = evaluated[row["subject"]]
        assert row["logit"] == pytest.approx(before["logit"], abs=1e-6)
        assert row["anomaly_ml"] == pytest.approx(before["attribution_volume_ml"])
        assert row["lesion_ml"] == pytest.approx(before["lesion_ml"])
        assert len(row["control_falls"]) == 3 and row["patient"] == before.get("patient", row["subject"])
    with (folder / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["region"] for row in rows} == {"anomaly", "control 1", "control 2", "control 3", "lesion"}
    assert '<section id="audit">' in (folder / "report.html").read_text(encoding="utf-8")
    assert json.loads((folder / "audit_config.json").read_text())["draws"] == 3
    assert set(json.loads((folder / "audit_provenance.json").read_text())["files"]) == {
        *("datalist", "weights", "thresholds")
    }


def test_it_says_the_same_again_and_can_be_limited(place, tmp_path):
    configs, options = place
    before = json.loads((options["output_dir"] / "audit.json").read_text())
    run(*configs, "audit", **{**options, "output_dir": tmp_path}, draws=3, patients=1)
    audit = json.loads((tmp_path / "audit.json").read_text())
    assert audit["subjects"] == before["subjects"][: len(audit["subjects"])]
    assert not (tmp_path / "report.html").exists()  # there is no evaluation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("no_threshold_file", "no such file: .*threshold.json", id="not_evaluated"),
        pytest.param("foreign", "was calibrated for other weights than", id="foreign_thresholds"),
        pytest.param("no_patient", "needs pathological test images .label 1., got 0", id="no_patient"),
        pytest.param("none_called", "error: .*called pathological, got 0 of 2 above the logit 1e", id="none_called"),
        pytest.param("no_draws", "draws must be at least 1 control region of each patient, got 0", id="no_draws"),
    ],
)
def test_mistakes(cohort, model_file, other_model_file, tmp_path, change, message):
    thresholds = tmp_path / "threshold.json"
    of = other_model_file if change == "foreign" else model_file
    save_thresholds(thresholds, of, {"attribution": 0.0}, decision_logit=1.0e6)
    options = {**VOLUMES, "dataset_dir": cohort, "model_file": model_file, "threshold_file": thresholds}
    if change == "no_threshold_file":
        options.pop("threshold_file")
    if change == "no_patient":
        healthy = json.loads((cohort / "datalist.json").read_text())["test"][2]
        healthy["image"] = str(cohort / healthy["image"])
        (tmp_path / "healthy.json").write_text(json.dumps({"test": [healthy]}))
        options["datalist"] = tmp_path / "healthy.json"
    with pytest.raises(SystemExit, match=message) as caught:
        run("evaluate", "audit", **options, output_dir=tmp_path / "out", draws=0 if change == "no_draws" else 2)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()
