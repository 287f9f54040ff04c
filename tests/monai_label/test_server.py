"""What a viewer asks of a MONAI Label server: segmentations with options, refusals, a training."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from scripts.monai_label.rank import main
from scripts.monai_label.serve import NAME
from tests.end_to_end.conftest import write_volume

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "tumour" / "Brats18_2013_11_1_flair.nii.gz"
REFUSED = [
    pytest.param("nobody", {}, "must be one that the server knows, got an unknown id", id="unknown_image"),
    pytest.param("ct", {}, r"ct.nii.gz: the image must be a FLAIR .* got values down to -10", id="ct"),
    pytest.param("lesion", {}, "lesion.nii.gz: the image must be a FLAIR, got a label map", id="label_map"),
    pytest.param("series", {}, r"series.nii.gz: an image must have 3 spatial axes .* got 3 channels", id="series"),
    pytest.param("empty", {}, "empty.nii.gz: an image must not be empty, all voxels are 0", id="empty_volume"),
    pytest.param("patient", {"threshold": 1.0e9}, "got 1000000000.0. Correct it", id="absurd_threshold"),
    pytest.param("patient", {"threshold": -1}, "threshold must be a number from 0 .* got -1", id="negative_threshold"),
    pytest.param("patient", {"threshold": "high"}, "threshold must be a number .* got 'high'", id="threshold_text"),
    pytest.param("patient", {"min_lesion_ml": -2}, "min_lesion_ml must be .* got -2", id="lesion_size"),
    pytest.param("patient", {"attribution_method": "lime"}, "must be one of gradient, .* got 'lime'", id="method"),
    pytest.param("patient", {"output": "report"}, "must be one of anomaly mask, .* got 'report'", id="output"),
    pytest.param("patient", {"preprocess": "maybe"}, "preprocess must be true or false, got 'maybe'", id="preprocess"),
    pytest.param("patient", {"model_filename": "my.pt"}, "model_filename must be model.pt, .* 'my.pt'", id="weights"),
]


def bundle_run(image, folder, **options):
    """Segment one image with monai.bundle run, and return mask, attribution map and record."""
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.yaml"]
    command += ["--dataset_dir", str(image), "--output_dir", str(folder), "--overlay", "False", "--device", "cpu"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ".", "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    name = image.name.removesuffix(".nii.gz")
    record = json.loads((folder / name / f"{name}_result.json").read_text())
    return *(nib.load(folder / name / f"{name}_{kind}.nii.gz") for kind in ("anomaly", "attribution")), record


def volume(answer):
    assert answer.status == 200, answer.reason
    return nib.Nifti1Image.from_bytes(gzip.decompress(answer.image))


def dice(first, second):
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


@pytest.fixture(scope="module")
def plain(server, tmp_path_factory):
    return bundle_run(server.studies / "patient.nii.gz", tmp_path_factory.mktemp("plain"))


def test_the_server_offers_the_model_and_its_options(server, say):
    start = time.perf_counter()
    info = server.client.info()
    model = info["models"][NAME]
    assert model["labels"] == {"anomaly": 1} and model["type"] == "segmentation" and model["dimension"] == 3
    options = model["config"]
    calibrated = json.loads((ROOT / "models" / "threshold.json").read_text())["thresholds"]["attribution"]
    assert options["threshold"] == calibrated and options["min_lesion_ml"] == 0.0 and options["preprocess"] is False
    assert options["attribution_method"][0] == "gradient" and options["output"] == ["anomaly mask", "attribution map"]
    assert NAME in info["trainers"] and set(info["strategies"]) == {"random", "first"}
    say(f"GET  /info/                    {time.perf_counter() - start:6.1f} s  labels {model['labels']}, {options}")


@pytest.mark.parametrize("image", ["patient", REAL], ids=["synthetic", "real"])
def test_the_mask_is_that_of_monai_bundle_run(server, image, tmp_path, plain, say):
    if image == "patient":
        path, (mask, _, record) = server.studies / "patient.nii.gz", plain
        answer = server.client.infer("patient")
    else:
        if not image.is_file():
            pytest.skip("real images are not there")
        path, (mask, _, record) = image, bundle_run(image, tmp_path)
        answer = server.client.infer(file=image)
    found, source = volume(answer), nib.load(path)
    assert found.shape == source.shape
    np.testing.assert_allclose(found.affine, source.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(mask.dataobj))
    assert np.count_nonzero(found.dataobj) > 0
    for key in set(record) - {"subject", "image"}:
        expected = pytest.approx(record[key], rel=1e-6) if isinstance(record[key], float) else record[key]
        assert answer.params[key] == expected, key
    assert answer.params["label_names"] == {"anomaly": 1}
    facts = {key: answer.params[key] for key in ("decision", "probability", "threshold", "volume_ml")}
    say(f"POST /infer {path.name[:18]:18} {answer.seconds:6.1f} s  {found.shape}, equal to monai.bundle run, {facts}")


def test_threshold_and_lesion_size_as_in_a_plain_run(server, plain, tmp_path, say):
    options = {"threshold": 2.5 * plain[2]["threshold"], "min_lesion_ml": 0.5}
    mask, _, record = bundle_run(server.studies / "patient.nii.gz", tmp_path, **options)
    answer = server.client.infer("patient", options)
    np.testing.assert_array_equal(np.asarray(volume(answer).dataobj), np.asarray(mask.dataobj))
    for result in (answer.params, record):
        assert {key: result[key] for key in options} == options
        assert result["threshold_calibrated"] == plain[2]["threshold"]
    assert 0 < answer.params["volume_ml"] < plain[2]["volume_ml"]
    say(f"POST /infer with options       {answer.seconds:6.1f} s  {options}: {answer.params['volume_ml']:.1f} ml")


def test_the_map_as_second_output(server, plain, say):
    found = {}
    for method in ("gradient", "integrated_gradients", "grad_cam"):
        mask = volume(server.client.infer("patient", {"attribution_method": method}))
        np.testing.assert_array_equal(mask.dataobj, plain[0].dataobj, err_msg="the mask is the gradient's")
        answer = server.client.infer("patient", {"attribution_method": method, "output": "attribution map"})
        found[method] = np.asarray(volume(answer).dataobj)
        assert answer.params["attribution_method"] == method and answer.params["output"] == "attribution map"
        say(f"POST /infer map of {method[:12]:12} {answer.seconds:5.1f} s  up to {found[method].max():.2e}")
    np.testing.assert_allclose(found["gradient"], np.asarray(plain[1].dataobj), atol=1e-9)
    for method in ("integrated_gradients", "grad_cam"):
        assert not np.allclose(found[method], found["gradient"], rtol=1e-2, atol=0)
        assert not found[method][np.asarray(plain[1].dataobj) == 0].any(), "nothing outside the brain"


def test_a_raw_head_is_preprocessed_on_request(server, say):
    answer = server.client.infer("head", {"preprocess": True})
    source, found = nib.load(server.studies / "head.nii.gz"), volume(answer)
    assert found.shape == source.shape
    np.testing.assert_allclose(found.affine, source.affine, atol=1e-4)
    assert answer.params["brain_ml"] < 2500 and answer.params["volume_ml"] > 0
    say(f"POST /infer head, preprocessed {answer.seconds:6.1f} s  {answer.params['brain_ml']:.0f} ml of brain")


@pytest.mark.parametrize(("image", "options", "reason"), REFUSED)
def test_bad_requests_get_a_reason(server, image, options, reason, say):
    answer = server.client.infer(image, options)
    assert answer.status == 400
    assert re.search(reason, answer.reason), answer.reason
    assert str(server.studies) not in answer.reason
    say(f"POST /infer refused            {answer.seconds:6.1f} s  400 {answer.reason}")


def test_twenty_mixed_requests_four_at_a_time(server, say):
    bad = [("nobody", {}), ("ct", {}), ("empty", {}), ("patient", {"threshold": 1.0e9})]
    requests = [("patient", {}) if number % 2 else bad[number // 2 % 4] for number in range(20)]
    start = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: server.client.infer(*request), requests))
    statuses = [answer.status for answer in answers]
    assert statuses == [200 if number % 2 else 400 for number in range(20)]
    masks = {np.asarray(volume(answer).dataobj).tobytes() for answer in answers if answer.status == 200}
    assert len(masks) == 1
    assert server.client.info()["models"]
    say(f"20 requests, 4 at a time       {time.perf_counter() - start:6.1f} s  10 masks, all equal; 10 refused")


def test_unlabelled_images_ranked_by_the_closeness_of_the_decision(server, say, capsys):
    main(["--url", server.client.url])
    lines = capsys.readouterr().out.splitlines()
    ranked = [line.split() for line in lines if "refused" not in line]
    assert [name for _, name in ranked] in (["head", "patient"], ["patient", "head"])
    result = server.client.infer("patient").params
    expected = abs(result["logit"] - result["decision_logit"])
    assert {name: float(distance) for distance, name in ranked}["patient"] == pytest.approx(expected, abs=1e-3)
    assert sum("refused" in line for line in lines) == 4
    with capsys.disabled():
        say(f"rank                           {ranked}")


def test_no_server_to_rank_images_of():
    with pytest.raises(SystemExit, match=r"error: http://127.0.0.1:9: no MONAI Label server answers"):
        main(["--url", "http://127.0.0.1:9"])


def test_another_bundle_with_scripts_beside_it(server, say):
    patient = np.asarray(nib.load(server.studies / "patient.nii.gz").dataobj)
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(volume(server.tiny.infer("patient")).dataobj), patient > 0)
        answer = server.client.infer("patient", {"attribution_method": "grad_cam"})
        assert answer.status == 200 and answer.params["volume_ml"] > 0
    say("another bundle's scripts       imported and used by turns with this one's bundle")


def test_training_on_labels_of_the_data_store(server, tmp_path, say):
    for number in range(6):
        name = f"sub-{number}"
        path = write_volume(tmp_path / f"{name}_flair.nii.gz", number, label=number % 2)
        label = path.with_name(f"{name}_lesion.nii.gz")
        if number % 2 == 0:
            assert not np.asarray(nib.load(label).dataobj).any(), "healthy is an empty label"
        path.replace(server.studies / f"{name}.nii.gz")
    time.sleep(3)  # the data store notices new files by itself
    for number in range(6):
        server.client.save_label(f"sub-{number}", tmp_path / f"sub-{number}_lesion.nii.gz")
    start = time.perf_counter()
    task = server.client.train(max_epochs=2, val_split=0.34)
    details = "\n".join(task["details"])
    assert task["status"] == "DONE", details
    (folder,) = (server.bundle / "runs").iterdir()
    assert folder.name.startswith("monai_label_")
    config = json.loads((folder / "config.json").read_text())
    assert config["train"]["trainer"]["max_epochs"] == 2
    assert {path.name for path in folder.glob("*.pt")} >= {"model.pt", "model_final.pt"}
    assert "Epoch[2] Metrics" in details
    assert (server.bundle / "models" / "model.pt").read_bytes() == (ROOT / "models" / "model.pt").read_bytes()
    assert server.client.infer("patient").status == 200
    names = ", ".join(sorted(path.name for path in folder.iterdir() if "tfevents" not in path.name))
    say(f"POST /train, 2 epochs          {time.perf_counter() - start:6.1f} s  {names}")
