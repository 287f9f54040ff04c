from __future__ import annotations

import json
import math
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import AnomalyMapd, AnomalyThresholdd, save_thresholds
from bundle.handlers import SaveResultsHandler

AFFINE = np.array([[0, 2.0, 0, -5], [-3.0, 0, 0, 7], [0, 0, 4.0, 1], [0, 0, 0, 1]])
SHAPE = (3, 4, 5)


@pytest.fixture
def item(tmp_path):
    generator = torch.Generator().manual_seed(2)
    intensity = torch.randn(1, *SHAPE, generator=generator)
    intensity[:, 0] = 0
    source = nib.Nifti1Image(np.zeros(SHAPE, np.int16), AFFINE)
    source.header.set_xyzt_units("mm")
    source.set_sform(AFFINE, code=4)
    path = tmp_path / "one_flair.nii.gz"
    nib.save(source, path)
    data = {
        "subject": "one",
        "logit": torch.tensor([math.log(3.0)]),
        "intensity": MetaTensor(intensity, affine=AFFINE, meta={"filename_or_obj": str(path)}),
        "attribution": MetaTensor(torch.randn(1, *SHAPE, generator=generator), affine=AFFINE),
    }
    return AnomalyThresholdd("attribution", 0.5, output_keys="pred")(AnomalyMapd("attribution")(data))


@pytest.fixture
def handler(tmp_path):
    model_file, threshold_file = tmp_path / "model.pt", tmp_path / "threshold.json"
    model_file.write_bytes(b"weights")
    save_thresholds(threshold_file, model_file, {"attribution": 0.5})

    def draw(path, image, attribution, mask, affine, title):
        assert image.shape == attribution.shape == mask.shape == SHAPE and title.startswith("one: pathological")
        path.write_bytes(b"picture")

    handler = SaveResultsHandler(tmp_path / "out", threshold_file, model_file, draw)
    handler.started(None)
    return handler


def test_probability_and_rule_come_from_the_threshold_file(handler, item, tmp_path):
    handler(engine(item))
    path = tmp_path / "out" / "one" / "one_result.json"
    first = json.loads(path.read_text())
    assert "probability_calibrated" not in first and first["calibration"] == "masks"
    healthy = {"thresholds": {"attribution": 1.5}}
    scaling = {"method": "platt", "slope": 2.0, "intercept": -math.log(9.0)}
    save_thresholds(
        handler.threshold_file, handler.model_file, {"attribution": 0.5}, healthy_only=healthy, probability=scaling
    )
    handler.calibration = "healthy"
    handler.started(None)
    handler(engine(item))
    second = json.loads(path.read_text())
    assert (second["threshold"], second["calibration"]) == (1.5, "healthy")
    assert second["probability"] == pytest.approx(0.75)  # of the logit log 3
    assert second["probability_calibrated"] == pytest.approx(0.5)  # of 2 log 3 - log 9
    scaling = {"method": None, "reason": "one class"}
    save_thresholds(handler.threshold_file, handler.model_file, {"attribution": 0.5}, probability=scaling)
    handler.calibration = None
    handler.started(None)
    handler(engine(item))
    assert "probability_calibrated" not in json.loads(path.read_text())


def engine(item):
    return SimpleNamespace(state=SimpleNamespace(batch=[{}], output=[item]))


def test_files_of_a_subject(handler, item, tmp_path):
    handler(engine(item))
    folder = tmp_path / "out" / "one"
    names = ["anomaly.nii.gz", "attribution.nii.gz", "overlay.png", "result.json"]
    assert sorted(path.name for path in folder.iterdir()) == [f"one_{name}" for name in names]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]
    mask, attribution = nib.load(folder / "one_anomaly.nii.gz"), nib.load(folder / "one_attribution.nii.gz")
    for volume in (mask, attribution):
        np.testing.assert_array_equal(volume.affine, AFFINE)
        assert volume.shape == SHAPE and volume.header["sform_code"] == 4
    assert mask.get_data_dtype() == np.uint8 and attribution.get_data_dtype() == np.float32
    expected = item["attribution"].numpy()[0]
    np.testing.assert_array_equal(attribution.get_fdata()[1:], expected[1:])
    assert not attribution.get_fdata()[0].any() and not mask.get_fdata()[0].any()
    np.testing.assert_array_equal(mask.get_fdata()[1:], expected[1:] >= 0.5)
    result = json.loads((folder / "one_result.json").read_text())
    assert result["probability"] == pytest.approx(0.75) and result["decision"] == "pathological"
    assert result["volume_ml"] == pytest.approx(mask.get_fdata().sum() * 24 / 1000)
    assert result["threshold"] == 0.5 and result["image"] == "one_flair.nii.gz"


def test_a_failing_picture_leaves_nothing(handler, item, tmp_path):
    def fail(*args):
        raise RuntimeError("no fonts")

    handler.draw = fail
    with pytest.raises(RuntimeError, match="no fonts"):
        handler(engine(item))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_subject_comes_once(handler, item):
    handler(engine(item))
    with pytest.raises(ValueError, match="got 'one' twice"):
        handler(engine(item))


def test_maps_must_be_on_the_grid_of_the_file(handler, item):
    item["pred"] = torch.ones(1, 3, 5, 4)
    with pytest.raises(ValueError, match=r"subject one: .* \(3, 4, 5\), got \(3, 5, 4\)"):
        handler(engine(item))
