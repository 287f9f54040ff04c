"""configs/inference.yaml from the command line, on volumes whose grid is not the model's."""

from __future__ import annotations

import gzip
import json
import math

import nibabel as nib
import numpy as np
import pytest

from bundle.anomaly import save_thresholds
from bundle.data.files import file_sha256


@pytest.fixture(scope="module")
def results(run_bundle, tmp_path_factory, cohort, model_file, threshold_file):
    output_dir = tmp_path_factory.mktemp("inference") / "made" / "by the run"
    run = run_bundle(
        "inference.yaml",
        dataset_dir=cohort / "images",
        pattern="sub-[23]_flair.nii.gz",
        output_dir=output_dir,
        model_file=model_file,
        threshold_file=threshold_file,
    )
    assert run.returncode == 0, run.stderr
    return output_dir


def test_every_subject_has_its_files_and_nothing_else(results):
    expected = {
        f"sub-{number}_flair/sub-{number}_flair_{name}"
        for number in (2, 3)
        for name in ("anomaly.nii.gz", "attribution.nii.gz", "overlay.png", "result.json")
    }
    assert {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()} == expected


def test_volumes_are_on_the_input_grid(results, cohort):
    source = nib.load(cohort / "images" / "sub-2_flair.nii.gz")
    mask = nib.load(results / "sub-2_flair" / "sub-2_flair_anomaly.nii.gz")
    attribution = nib.load(results / "sub-2_flair" / "sub-2_flair_attribution.nii.gz")
    for volume in (mask, attribution):
        assert volume.shape == source.shape
        np.testing.assert_array_equal(volume.affine, source.affine)
    outside = source.get_fdata() == 0
    assert not mask.get_fdata()[outside].any() and not attribution.get_fdata()[outside].any()
    np.testing.assert_array_equal(mask.get_fdata()[~outside], attribution.get_fdata()[~outside] >= 0)
    assert 0.05 < mask.get_fdata()[~outside].mean() < 0.95  # a random network, a threshold of zero


def test_the_record_agrees_with_the_volumes(results, model_file):
    result = json.loads((results / "sub-3_flair" / "sub-3_flair_result.json").read_text())
    mask = nib.load(results / "sub-3_flair" / "sub-3_flair_anomaly.nii.gz")
    assert result["volume_ml"] == pytest.approx(mask.get_fdata().sum() * 5 * 5.5 * 6 / 1000)
    assert result["probability"] == pytest.approx(1 / (1 + math.exp(-result["logit"])))
    assert result["decision"] == ("pathological" if result["logit"] > 0 else "healthy")
    assert result["model_sha256"] == file_sha256(model_file) and result["threshold"] == 0.0


def test_all_bad_input_is_named_before_anything_is_written(
    run_bundle, make_volume, tmp_path, model_file, threshold_file
):
    folder = tmp_path / "images"
    good = make_volume(folder / "good_flair.nii.gz", 1, label=0)
    (folder / "good_lesion.nii.gz").unlink()
    (folder / "truncated.nii.gz").write_bytes(good.read_bytes()[:2000])
    (folder / "text.nii.gz").write_bytes(gzip.compress(b"no image"))
    other = tmp_path / "other.json"
    (tmp_path / "other.pt").write_bytes(b"other weights")
    save_thresholds(other, tmp_path / "other.pt", {"attribution": 0.0})
    run = run_bundle(
        "inference.yaml",
        dataset_dir=folder,
        output_dir=tmp_path / "out",
        model_file=model_file,
        threshold_file=other,
    )
    errors = run.stderr.strip().splitlines()
    assert run.returncode == 1 and len(errors) == 3, run.stderr
    assert all(line.startswith("error: ") for line in errors)
    for words in ("other.json was calibrated for other weights", "truncated.nii.gz: the file is truncated", "text.nii"):
        assert sum(words in line for line in errors) == 1, run.stderr
    assert not (tmp_path / "out").exists()


def test_unreadable_weights_and_output_folder(run_bundle, tmp_path, cohort, threshold_file):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    run = run_bundle(
        "inference.yaml",
        dataset_dir=cohort / "images" / "sub-2_flair.nii.gz",
        output_dir=broken / "out",
        model_file=broken,
        threshold_file=threshold_file,
    )
    errors = run.stderr.strip().splitlines()
    assert run.returncode == 1 and len(errors) == 2, run.stderr
    assert "broken.pt: the weights cannot be read" in errors[0]
    assert "out: the output folder cannot be made" in errors[1]


def test_weights_of_another_network(run_bundle, tmp_path, cohort, other_model_file, threshold_file):
    run = run_bundle(
        "inference.yaml",
        dataset_dir=cohort / "images" / "sub-2_flair.nii.gz",
        output_dir=tmp_path / "out",
        model_file=other_model_file,
        threshold_file=threshold_file,
    )
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert run.stderr.startswith(f"error: {other_model_file}: the weights do not fit network_def: ")
    assert "(16, 8, 4, 4, 4) for the network's (8, 8, 4, 4, 4)" in run.stderr
    assert not (tmp_path / "out").exists()
