"""The record of a deployment holds what the config and the threshold file say, and refuses what it cannot describe."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from monai.transforms import Compose, Identityd

from bundle.deployment import deployment_record

CONFIGS = Path(__file__).parents[2] / "configs"
THRESHOLDS = {
    "model_sha256": "0" * 64,
    "calibration": "masks",
    "thresholds": {"attribution": 0.25, "intensity": 2.0},
    "decision": {"logit": -0.5},
}


def make_record(config="inference.yaml", **replaced):
    parser = ConfigParser()
    parser.read_config(CONFIGS / config)
    steps = {name: parser.get_parsed_content(name) for name in ("preprocessing", "postprocessing")}
    arguments = {**steps, "thresholds": THRESHOLDS, "score": "attribution", "name": "toy", **replaced}
    return deployment_record(**arguments)


def test_holds_the_grid_of_the_config_and_the_operating_point():
    record = make_record()
    config = ConfigParser.load_config_file(CONFIGS / "inference.yaml")
    assert record["grid"] == {
        "shape": config["grid_shape"],
        "spacing_mm": config["grid_spacing_mm"],
        "origin_mm": config["grid_origin_mm"],
        "brain_centre_mm": [0.0, -17.0, 5.0],
    }
    assert (record["score"], record["threshold"], record["decision_logit"]) == ("attribution", 0.25, -0.5)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        pytest.param({}, None, id="older_file"),
        pytest.param({"probability": {"method": None, "reason": "one class"}}, None, id="not_scaled"),
        pytest.param(
            {"probability": {"method": "platt", "slope": 2.0, "intercept": 1.0, "images": 9}},
            {"slope": 2.0, "intercept": 1.0},
            id="scaled",
        ),
    ],
)
def test_scaling_of_the_probability(probability, expected):
    assert make_record(thresholds=THRESHOLDS | probability)["probability_scaling"] == expected


@pytest.mark.parametrize("score", ["intensity", "input_weighted"])
def test_score_that_it_cannot_describe(score):
    with pytest.raises(ValueError, match=rf"one of \['attribution'\], .* got '{score}'"):
        make_record(score=score)


def test_slices_are_refused():
    with pytest.raises(ValueError, match=r"preprocessing must be .* got LoadFlaird, CopyItemsd, Norm\w+, Robust"):
        make_record("inference_2d.yaml")


def test_a_step_more_is_refused():
    with pytest.raises(ValueError, match=r"postprocessing must be .* got Identityd; export the network alone"):
        make_record(postprocessing=Compose([Identityd("pred")]))


def test_a_threshold_given_by_hand_and_lesions_removed():
    assert make_record(threshold=0.5)["threshold"] == 0.5
    parser = ConfigParser()
    parser.read_config(CONFIGS / "inference.yaml")
    parser["min_lesion_ml"] = 0.3
    with pytest.raises(ValueError, match=r"min_lesion_ml must be 0 in an export, .* got 0.3"):
        make_record(postprocessing=parser.get_parsed_content("postprocessing"))
