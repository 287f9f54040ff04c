"""Calibration without lesion masks from the command line, and the thresholds of its rules in inference."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bundle.anomaly import PlattScaling, load_thresholds
from bundle.data import load_datalist
from scripts.benchmark.false_positives import smallest_thresholds

BOUND = {"false_positive_ml": 20.0, "false_positive_risk": 0.5}


@pytest.fixture(scope="module")
def without_masks(cohort, tmp_path_factory):
    """Write the validation section again, without masks, with the healthy test subject as a second healthy one."""
    sections = json.loads((cohort / "datalist.json").read_text())
    entries = [*sections["validation"], sections["test"][2]]
    entries = [{**entry, "image": str(cohort / entry["image"]), "mask": None} for entry in entries]
    path = tmp_path_factory.mktemp("without_masks") / "datalist.json"
    path.write_text(json.dumps({"validation": entries}))
    return path


@pytest.fixture(scope="module")
def calibrated(run_bundle, without_masks, model_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    options = {"datalist": without_masks, "output_dir": folder, "model_file": model_file, **BOUND}
    run = run_bundle("evaluate.yaml", **options, calibration="healthy", calibrate_only=True)
    assert run.returncode == 0, run.stderr
    return folder


def test_calibrate_only_bounds_the_false_positives(calibrated, cohort, model_file):
    record = load_thresholds(calibrated / "threshold.json", model_file)
    assert record["calibration"] == "healthy"
    assert {name: record["healthy_only"][name] for name in ("subjects", "rank")} == {"subjects": 2, "rank": 2}
    called = []
    for subject in ("sub-1", "sub-4"):
        image = nib.load(cohort / "images" / f"{subject}_flair.nii.gz")
        values, voxel_ml = image.get_fdata(), abs(np.linalg.det(image.affine)) / 1000
        score = (values[values != 0] - values[values != 0].mean()) / values[values != 0].std()
        called.append((score >= record["thresholds"]["intensity"] - 1e-5).sum() * voxel_ml)
    voxel_ml = 5.0 * 5.5 * 6.0 / 1000
    assert 20.0 - 3 * voxel_ml < max(called) <= 20.0 + voxel_ml  # exact but for rounding in this float64 score
    assert not (calibrated / "evaluation.json").exists()


def test_inference_uses_the_rule_and_the_scaled_probability(run_bundle, calibrated, cohort, model_file, tmp_path):
    options = {"dataset_dir": cohort / "images" / "sub-4_flair.nii.gz", "model_file": model_file, "overlay": "false"}
    options["threshold_file"] = calibrated / "threshold.json"
    run = run_bundle("inference.yaml", output_dir=tmp_path / "out", **options)
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "sub-4_flair" / "sub-4_flair_result.json").read_text())
    assert not list((tmp_path / "out").rglob("*.png"))
    record = load_thresholds(calibrated / "threshold.json")
    assert (result["calibration"], result["threshold"]) == ("healthy", record["thresholds"]["attribution"])
    assert result["volume_ml"] <= 20.0  # it is one of the two that the bound was chosen on, at the highest rank
    scaling = PlattScaling(record["probability"]["slope"], record["probability"]["intercept"])
    assert result["probability_calibrated"] == pytest.approx(float(scaling.probability(result["logit"])), abs=1e-9)
    run = run_bundle("inference.yaml", output_dir=tmp_path / "none", calibration="masks", **options)
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert "has no thresholds of the rule 'masks', only of 'healthy'" in run.stderr
    assert not (tmp_path / "none").exists()


def test_measured_at_healthy_thresholds(run_bundle, calibrated, without_masks, cohort, model_file, tmp_path):
    datalist = json.loads(without_masks.read_text())
    test = json.loads((cohort / "datalist.json").read_text())["test"][:2]
    entries = [{**e, "image": str(cohort / e["image"]), "mask": str(cohort / e["mask"])} for e in test]
    (tmp_path / "datalist.json").write_text(json.dumps({**datalist, "test": entries}))
    options = {"dataset_dir": tmp_path, "output_dir": tmp_path / "out", "model_file": model_file, **BOUND}
    run = run_bundle("evaluate.yaml", **options, calibration="healthy", report="false")
    assert run.returncode == 0, run.stderr
    assert not (tmp_path / "out" / "report.html").exists() and not (tmp_path / "out" / "report_slices").exists()
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["thresholds"] == load_thresholds(calibrated / "threshold.json")["thresholds"]
    assert [row["subject"] for row in record["subjects"]] == ["sub-2", "sub-3"]


def test_simulation_uses_the_same_maps(calibrated, without_masks, model_file):
    """The threshold of two subjects at a risk of one half is the larger of their smallest thresholds."""
    entries = [entry for entry in load_datalist(without_masks, "validation") if not entry["label"]]
    overrides = {"grid_shape": [30, 36, 30], "grid_spacing_mm": 6.0, "network_def::classifier::channels": [4, 8, 8]}
    overrides |= {"model_file": str(model_file), "device": "cpu"}
    found = smallest_thresholds(["configs/evaluate.yaml"], overrides, entries, "attribution", [20.0, 2.0])
    assert len(found[20.0]) == 2
    expected = load_thresholds(calibrated / "threshold.json")["thresholds"]["attribution"]
    assert max(found[20.0]) == pytest.approx(expected, rel=1e-5)
    assert all(small > large for small, large in zip(found[2.0], found[20.0], strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": "healthy"}, "needs at least 9 healthy subjects, got 2; the smallest risk that 2 can give"),
        ({}, "threshold calibration needs at least one pathological subject with a mask, got 0 masks for 1"),
        ({"calibration": "dice"}, "calibration must be one of masks, healthy, got 'dice'"),
    ],
    ids=["too_few", "masks_without_masks", "unknown_rule"],
)
def test_what_cannot_be_calibrated(run_bundle, without_masks, model_file, tmp_path, options, message):
    options = {"datalist": without_masks, "output_dir": tmp_path / "out", "model_file": model_file, **options}
    run = run_bundle("evaluate.yaml", **options, calibrate_only=True)
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert run.stderr.startswith("error: ") and message in run.stderr
    assert not (tmp_path / "out").exists()
