"""configs/evaluate.yaml from the command line: the table against scikit-learn, and what a user can get wrong."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from bundle.anomaly import load_thresholds


@pytest.fixture(scope="module")
def output_dir(run_bundle, tmp_path_factory, cohort, model_file):
    folder = tmp_path_factory.mktemp("evaluation")
    run = run_bundle("evaluate.yaml", dataset_dir=cohort, output_dir=folder, model_file=model_file)
    assert run.returncode == 0, run.stderr
    assert "| tumour | attribution | 1 |" in run.stdout
    return folder


def array(cohort, subject, name):
    return nib.load(cohort / "images" / f"{subject}_{name}.nii.gz").get_fdata()


def z_score(image):
    brain = image != 0
    return np.where(brain, (image - image[brain].mean()) / image[brain].std(), -1e9)


def test_thresholds_come_from_the_validation_section(output_dir, cohort, model_file):
    record = load_thresholds(output_dir / "threshold.json", model_file)
    score, lesion = z_score(array(cohort, "sub-0", "flair")), array(cohort, "sub-0", "lesion") > 0
    dice = {t: 2 * (lesion & (score >= t)).sum() / ((score >= t).sum() + lesion.sum()) for t in score[lesion]}
    best = max(dice, key=dice.get)
    assert record["thresholds"]["intensity"] == pytest.approx(best, abs=1e-4)
    assert record["calibrated_on"]["pooled_dice"]["intensity"] == pytest.approx(dice[best])
    assert record["calibrated_on"]["annotated_subjects"] == 1


def test_the_baseline_agrees_with_scikit_learn(output_dir, cohort):
    record = json.loads((output_dir / "evaluation.json").read_text())
    score, lesion = z_score(array(cohort, "sub-2", "flair")).ravel(), array(cohort, "sub-2", "lesion").ravel() > 0
    (row,) = (row for row in record["summary"] if (row["condition"], row["score"]) == ("tumour", "intensity"))
    assert row["auprc"] == pytest.approx(average_precision_score(lesion, score), abs=1e-3)
    assert row["auroc"] == pytest.approx(roc_auc_score(lesion, score), abs=1e-3)
    called = score >= record["thresholds"]["intensity"]
    assert row["dice"] == pytest.approx(2 * (called & lesion).sum() / (called.sum() + lesion.sum()), abs=1e-2)


def test_inference_gives_the_maps_that_were_evaluated(run_bundle, output_dir, cohort, model_file, tmp_path):
    run = run_bundle(
        "inference.yaml",
        dataset_dir=cohort / "datalist.json",
        output_dir=tmp_path,
        model_file=model_file,
        threshold_file=output_dir / "threshold.json",
    )
    assert run.returncode == 0, run.stderr
    record = json.loads((output_dir / "evaluation.json").read_text())
    assert [row["subject"] for row in record["subjects"]] == ["sub-2", "sub-3", "sub-4"]
    for row in record["subjects"]:
        result = json.loads((tmp_path / row["subject"] / f"{row['subject']}_result.json").read_text())
        assert result["logit"] == pytest.approx(row["logit"], abs=1e-6)
        assert result["volume_ml"] == pytest.approx(row["attribution_volume_ml"])
    image, lesion = array(cohort, "sub-3", "flair"), array(cohort, "sub-3", "lesion") > 0
    attribution = nib.load(tmp_path / "sub-3" / "sub-3_attribution.nii.gz").get_fdata()
    expected = average_precision_score(lesion.ravel(), np.where(image != 0, attribution, -1e9).ravel())
    (row,) = (row for row in record["summary"] if (row["condition"], row["score"]) == ("ms", "attribution"))
    assert row["auprc"] == pytest.approx(expected, abs=1e-6)


def test_patients_only_with_thresholds_made_before(run_bundle, output_dir, cohort, model_file, tmp_path):
    entries = json.loads((cohort / "datalist.json").read_text())["test"][:2]
    for entry in entries:
        entry.update(image=str(cohort / entry["image"]), mask=str(cohort / entry["mask"]))
    (tmp_path / "patients.json").write_text(json.dumps({"test": entries}))
    run = run_bundle(
        "evaluate.yaml",
        datalist=tmp_path / "patients.json",
        output_dir=tmp_path / "out",
        model_file=model_file,
        threshold_file=output_dir / "threshold.json",
    )
    assert run.returncode == 0, run.stderr
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    before = json.loads((output_dir / "evaluation.json").read_text())
    assert record["classification"]["tnr"] is None
    assert record["summary"] == [row for row in before["summary"] if row["condition"] in ("tumour", "ms")]
    assert not (tmp_path / "out" / "threshold.json").exists()


def test_no_masks(run_bundle, cohort, model_file, tmp_path):
    datalist = json.loads((cohort / "datalist.json").read_text())
    for entry in datalist["validation"] + datalist["test"]:
        entry["image"] = str(cohort / entry["image"])
        entry.pop("mask", None)
    (tmp_path / "datalist.json").write_text(json.dumps(datalist))
    run = run_bundle("evaluate.yaml", dataset_dir=tmp_path, output_dir=tmp_path / "out", model_file=model_file)
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert "evaluation needs at least one pathological subject with a mask, got 0 masks for 2" in run.stderr
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network(run_bundle, cohort, other_model_file, tmp_path):
    run = run_bundle("evaluate.yaml", dataset_dir=cohort, output_dir=tmp_path / "out", model_file=other_model_file)
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert run.stderr.startswith(f"error: {other_model_file}: the weights do not fit network_def: ")
    assert not (tmp_path / "out").exists()


def tumour_auprc(run_bundle, overlay, folder, **options):
    """AUPRC of tumours, by score, of an evaluation with an overlay."""
    config = f"['configs/evaluate.yaml','configs/{overlay}']"
    run = run_bundle(config, output_dir=folder, **options)
    assert run.returncode == 0, run.stderr
    record = json.loads((folder / "evaluation.json").read_text())
    return {row["score"]: row["auprc"] for row in record["summary"] if row["condition"] == "tumour"}


def test_other_attributions_have_rows_of_their_own(run_bundle, cohort, model_file, tmp_path):
    rows = tumour_auprc(
        run_bundle,
        "attributions.yaml",
        tmp_path,
        dataset_dir=cohort,
        model_file=model_file,
        **{"attributions#ig#n_steps": 4, "attributions#eg#n_draws": 4},
        **{"attributions#ieg#n_draws": 4, "attributions#ieg#null_probability": 0.0},  # which is EG
    )
    assert list(rows) == ["attribution", "ig", "eg", "ieg", "grad_cam", "intensity"]
    assert rows["ieg"] == rows["eg"] and all(0 < value <= 1 for value in rows.values())


def test_the_deviation_from_the_atlas_has_rows_of_its_own(run_bundle, cohort, model_file, tmp_path):
    options = {"dataset_dir": cohort, "model_file": model_file, "report": "false"}
    rows = tumour_auprc(run_bundle, "deviation.yaml", tmp_path, **options)
    assert list(rows) == ["attribution", "input_weighted", "deviation", "intensity"]
    # The bright ball is far from the mean of an atlas that was not fitted, which is zero.
    assert rows["deviation"] > 0.9
