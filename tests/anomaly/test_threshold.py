from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from bundle.anomaly import AnomalyThresholdd, decision_point, load_thresholds, save_thresholds


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


def test_file_round_trip(tmp_path, model_file):
    path = tmp_path / "deep" / "threshold.json"
    threshold = float(torch.tensor(0.1))  # a float32 must come back unchanged
    save_thresholds(path, model_file, {"attribution": threshold}, {"subjects": 3})
    record = load_thresholds(path, model_file)
    assert record["thresholds"] == {"attribution": threshold}
    assert record["decision"] == {"logit": 0.0} and record["calibrated_on"] == {"subjects": 3}
    assert record["model_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert [file.name for file in path.parent.iterdir()] == ["threshold.json"]


HEALTHY_RECORD = {
    "false_positive_ml": 5.0,
    "false_positive_risk": 0.1,
    "subjects": 19,
    "rank": 18,
    "thresholds": {"attribution": 3.0},
}


def test_each_rule_has_its_thresholds(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    scaling = {"method": "platt", "slope": 2.0, "intercept": -1.0}
    save_thresholds(path, model_file, {"attribution": 1.0}, healthy_only=HEALTHY_RECORD, probability=scaling)
    record = load_thresholds(path, model_file)
    assert record == load_thresholds(path, model_file, "masks")
    assert (record["calibration"], record["thresholds"]) == ("masks", {"attribution": 1.0})
    assert record["healthy_only"] == HEALTHY_RECORD and record["probability"] == scaling
    healthy = load_thresholds(path, model_file, "healthy")
    assert healthy == {**record, "calibration": "healthy", "thresholds": {"attribution": 3.0}}
    item = {"attribution_map": torch.tensor([[2.0]])}
    for rule, expected in ((None, 1), ("masks", 1), ("healthy", 0)):
        transform = AnomalyThresholdd("attribution", threshold_file=path, model_file=model_file, calibration=rule)
        assert transform(item)["attribution_mask"].item() == expected


def test_a_file_from_healthy_subjects_alone(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    save_thresholds(path, model_file, {"attribution": 3.0}, calibration="healthy", healthy_only=HEALTHY_RECORD)
    assert (
        load_thresholds(path)["thresholds"]
        == {"attribution": 3.0}
        == load_thresholds(path, None, "healthy")["thresholds"]
    )
    with pytest.raises(ValueError, match=r"threshold\.json has no thresholds of the rule 'masks', only of 'healthy'"):
        load_thresholds(path, model_file, "masks")


def test_a_file_from_before_there_were_rules(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    old = {
        "model_sha256": hashlib.sha256(b"weights").hexdigest(),
        "thresholds": {"attribution": 1.0},
        "decision": {"logit": 0.5},
        "calibrated_on": {"subjects": 2},
    }
    path.write_text(json.dumps(old))
    assert load_thresholds(path, model_file) == {**old, "calibration": "masks"} == load_thresholds(path, None, "masks")
    with pytest.raises(ValueError, match="no thresholds of the rule 'healthy', only of 'masks'"):
        load_thresholds(path, model_file, "healthy")


def test_the_shipped_file_loads():
    models = Path(__file__).parents[2] / "models"
    record = load_thresholds(models / "threshold.json", models / "model.pt", "masks")
    assert {"attribution", "input_weighted", "intensity"} <= set(record["thresholds"])


def test_an_unknown_rule(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    with pytest.raises(ValueError, match="one of masks, healthy, got 'mask'"):
        save_thresholds(path, model_file, {"attribution": 1.0}, calibration="mask")
    assert not path.exists()
    save_thresholds(path, model_file, {"attribution": 1.0})
    with pytest.raises(ValueError, match="one of masks, healthy, got 'prc'"):
        load_thresholds(path, model_file, "prc")


def test_nan_threshold_is_not_written(tmp_path, model_file):
    with pytest.raises(ValueError, match="nan"):
        save_thresholds(tmp_path / "threshold.json", model_file, {"attribution": float("nan")})
    assert not (tmp_path / "threshold.json").exists()


def test_file_of_another_model(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    save_thresholds(path, model_file, {"attribution": 1.0})
    other = tmp_path / "other.pt"
    other.write_bytes(b"other weights")
    with pytest.raises(
        ValueError, match=r"threshold\.json was calibrated for other weights than .*other\.pt.*evaluate\.yaml"
    ):
        load_thresholds(path, other)
    assert load_thresholds(path)["thresholds"] == {"attribution": 1.0}


COMPLETE = {"model_sha256": "", "thresholds": {"attribution": 1.0}, "decision": {"logit": 0.0}}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "no threshold file"),
        ("[1]", "no threshold file"),
        ('{"thresholds": {}}', "decision"),
        (json.dumps({"model_sha256": "", "thresholds": {"attribution": "high"}, "decision": {"logit": 0}}), "high"),
        (json.dumps({**COMPLETE, "healthy_only": {"thresholds": {"attribution": None}}}), "None"),
        (json.dumps({**COMPLETE, "probability": {"method": "platt", "slope": 1.0}}), "intercept"),
    ],
    ids=["no_json", "list", "incomplete", "text", "healthy_only", "probability"],
)
def test_unreadable_file(tmp_path, content, match):
    path = tmp_path / "threshold.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=match):
        load_thresholds(path)


def test_missing_files(tmp_path, model_file):
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        load_thresholds(tmp_path / "absent.json", model_file)
    with pytest.raises(FileNotFoundError, match=r"absent\.pt"):
        load_thresholds(model_file, tmp_path / "absent.pt")


def test_transform_thresholds_inclusively():
    item = {"attribution_map": torch.tensor([[0.5, 0.49, 0.51]])}
    result = AnomalyThresholdd("attribution", threshold=0.5)(item)["attribution_mask"]
    assert result.dtype == torch.uint8 and result.tolist() == [[1, 0, 1]]
    assert AnomalyThresholdd("attribution", 0.5, output_keys="pred")(item)["pred"].tolist() == [[1, 0, 1]]


def test_transform_reads_the_file_when_the_first_item_comes(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    transform = AnomalyThresholdd(["attribution", "intensity"], threshold_file=path, model_file=model_file)
    save_thresholds(path, model_file, {"attribution": 0.0, "intensity": 2.0})
    item = transform({"attribution_map": torch.tensor([[1.0]]), "intensity_map": torch.tensor([[1.0]])})
    assert item["attribution_mask"].item() == 1 and item["intensity_mask"].item() == 0


def test_transform_wrong_use(tmp_path, model_file):
    path = tmp_path / "threshold.json"
    save_thresholds(path, model_file, {"attribution": 0.0})
    with pytest.raises(ValueError, match="got None and None"):
        AnomalyThresholdd("attribution")
    with pytest.raises(ValueError, match=r"got 1\.0 and"):
        AnomalyThresholdd("attribution", threshold=1.0, threshold_file=path)
    with pytest.raises(ValueError, match=r"no threshold of 'intensity', only of \['attribution'\]"):
        AnomalyThresholdd("intensity", threshold_file=path)({"intensity_map": torch.zeros(1, 1)})
    with pytest.raises(KeyError, match="'attribution_map' is missing"):
        AnomalyThresholdd("attribution", 0.5)({})
    assert AnomalyThresholdd("attribution", 0.5, allow_missing_keys=True)({}) == {}


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0, 5.0], [0, 0, 1, 1], 2.5, id="separable_above_zero"),
        pytest.param([-2.0, -1.0, 1.0, 3.0], [0, 0, 1, 1], 0.0, id="zero_is_as_good_as_any"),
        pytest.param([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 1, 0, 0, 1, 1], 4.5, id="classes_overlap"),
        pytest.param([3.0, 4.0], [1, 1], 0.0, id="one_class"),
    ],
)
def test_decision_point(logits, labels, expected):
    assert decision_point(logits, labels) == expected
