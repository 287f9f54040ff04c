"""The record of one image, and the threshold given by hand that it may tell of."""

from __future__ import annotations

import math

import pytest

from bundle import __version__
from bundle.anomaly import check_threshold, image_result, mask_threshold, save_thresholds

RECORD = {
    "model_sha256": "abc",
    "calibration": "masks",
    "thresholds": {"attribution": 0.5, "input_weighted": 0.25},
    "decision": {"logit": -1.0},
}


def test_every_number_in_closed_form():
    result = image_result(RECORD, logit=math.log(3.0), score="attribution", volume_ml=1.5)
    assert result == {
        "decision": "pathological",
        "probability": pytest.approx(0.75),
        "logit": math.log(3.0),
        "decision_logit": -1.0,
        "score": "attribution",
        "threshold": 0.5,
        "calibration": "masks",
        "volume_ml": 1.5,
        "model_sha256": "abc",
        "version": __version__,
    }


def test_what_somebody_chose_stands_beside_what_was_calibrated():
    record = {**RECORD, "probability": {"method": "platt", "slope": 2.0, "intercept": -math.log(9.0)}}
    result = image_result(record, logit=-2.0, score="input_weighted", volume_ml=0.0, threshold=0.75, min_lesion_ml=0.1)
    assert result["decision"] == "healthy" and result["min_lesion_ml"] == 0.1
    assert (result["threshold"], result["threshold_calibrated"]) == (0.75, 0.25)
    assert result["probability_calibrated"] == pytest.approx(1 / (1 + 9 * math.exp(4)))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1, 50.0])
def test_thresholds_up_to_a_hundredfold(threshold):
    check_threshold(threshold, 0.5)


@pytest.mark.parametrize(
    ("threshold", "match"),
    [
        pytest.param(50.1, "from 0 to 50, .* got 50.1. .* the calibrated 0.5", id="above_every_map"),
        pytest.param(-0.1, "got -0.1", id="negative"),
        pytest.param(math.nan, "got nan", id="nan"),
        pytest.param(math.inf, "got inf", id="infinite"),
        pytest.param("0.5", "got '0.5'", id="text"),
        pytest.param(True, "got True", id="truth"),
        pytest.param([0.5], r"got \[0.5\]", id="list"),
    ],
)
def test_absurd_thresholds(threshold, match):
    with pytest.raises(ValueError, match=match):
        check_threshold(threshold, 0.5)


def test_a_calibrated_threshold_below_zero_may_be_lowered_to_and_has_no_upper_limit():
    check_threshold(-0.5, -0.5)
    check_threshold(1.0e6, -0.5)
    with pytest.raises(ValueError, match=r"got -0.6"):
        check_threshold(-0.6, -0.5)


def test_the_threshold_of_a_mask(tmp_path):
    weights, path = tmp_path / "model.pt", tmp_path / "threshold.json"
    weights.write_bytes(b"weights")
    save_thresholds(path, weights, RECORD["thresholds"])
    assert mask_threshold(path, weights) == 0.5
    assert mask_threshold(path, weights, None, "input_weighted") == 0.25
    assert mask_threshold(path, weights, None, "attribution", 2) == 2.0
    with pytest.raises(ValueError, match="got 51"):
        mask_threshold(path, weights, None, "attribution", 51)
    with pytest.raises(ValueError, match=r"no threshold of 'ig', only of .*input_weighted"):
        mask_threshold(path, weights, None, "ig")
