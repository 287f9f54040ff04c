from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_curve

from bundle.anomaly import AnomalyThresholdd, decision_point, load_thresholds, operating_point, save_thresholds


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize("decimals", [6, 1], ids=["distinct", "ties"])
def test_operating_point_is_the_peak_of_scikit_learns_curve(decimals):
    generator = torch.Generator().manual_seed(5)
    mask = torch.rand(3000, generator=generator) < 0.05
    scores = (torch.randn(3000, generator=generator, dtype=torch.float64) + 2 * mask).round(decimals=decimals)
    precision, recall, thresholds = precision_recall_curve(mask.numpy(), scores.numpy())
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(2 * precision * recall / (precision + recall))[:-1]
    threshold, dice = operating_point(scores, mask)
    assert dice == pytest.approx(expected.max(), abs=1e-12)
    assert threshold in thresholds[np.isclose(expected, expected.max(), atol=1e-12)]


def test_missed_lesion_lowers_dice_only():
    scores, mask = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1, 1, 0])
    assert operating_point(scores, mask) == (2.0, 1.0)
    assert operating_point(scores, mask, missed=2) == (2.0, pytest.approx(2 * 2 / (2 + 4)))


def test_constant_scores_call_everything():
    assert operating_point(torch.full((4,), 0.5), torch.tensor([1, 0, 0, 1])) == (0.5, pytest.approx(2 * 2 / (4 + 2)))


@pytest.mark.parametrize(
    ("scores", "mask", "match"),
    [
        (torch.zeros(3), torch.zeros(3), "got 0"),
        (torch.zeros(3), torch.zeros(4), "got 3 and 4"),
        (torch.zeros(0), torch.zeros(0), "got 0 and 0"),
        (torch.tensor([0.0, float("nan")]), torch.ones(2), "got 1 NaN"),
    ],
    ids=["no_lesion", "sizes", "empty", "nan"],
)
def test_operating_point_wrong_input(scores, mask, match):
    with pytest.raises(ValueError, match=match):
        operating_point(scores, mask)


def test_file_round_trip(tmp_path, model_file):
    path = tmp_path / "deep" / "threshold.json"
    threshold = float(torch.tensor(0.1))  # a float32 must come back unchanged
    save_thresholds(path, model_file, {"attribution": threshold}, {"subjects": 3})
    record = load_thresholds(path, model_file)
    assert record["thresholds"] == {"attribution": threshold}
    assert record["decision"] == {"logit": 0.0} and record["calibrated_on"] == {"subjects": 3}
    assert record["model_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert [file.name for file in path.parent.iterdir()] == ["threshold.json"]


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


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "no threshold file"),
        ("[1]", "no threshold file"),
        ('{"thresholds": {}}', "decision"),
        (json.dumps({"model_sha256": "", "thresholds": {"attribution": "high"}, "decision": {"logit": 0}}), "high"),
    ],
    ids=["no_json", "list", "incomplete", "text"],
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
