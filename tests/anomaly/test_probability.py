from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from bundle.anomaly import (
    PlattScaling,
    brier_score,
    calibrate_probability,
    calibrated_probability,
    expected_calibration_error,
)


def draw(seed=0, size=300, slope=0.4, intercept=-0.7, scale=3.0):
    random = np.random.default_rng(seed)
    logits = scale * random.standard_normal(size)
    return logits, (random.random(size) < expit(slope * logits + intercept)).astype(int)


@pytest.mark.parametrize("scale", [1e-3, 3.0, 1e4])
def test_scaling_agrees_with_scikit_learns_soft_targets(scale):
    """Logistic regression without a penalty, every image once as either class with the target as its weight."""
    logits, labels = draw(scale=scale, slope=1.2 / scale)
    positives, negatives = labels.sum(), (1 - labels).sum()
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    twice = np.concatenate([logits, logits])[:, None] / scale
    model.fit(twice, np.repeat([1, 0], len(logits)), sample_weight=np.concatenate([target, 1 - target]))
    scaling = PlattScaling.fit(logits, labels)
    assert scaling.slope == pytest.approx(model.coef_[0, 0] / scale, rel=1e-4)
    assert scaling.intercept == pytest.approx(model.intercept_[0], abs=1e-4)


def test_two_logits_have_a_closed_form():
    """With two distinct logits the scaling meets the mean target at each."""
    logits, labels = [-1.0] * 4 + [3.0] * 6, [0, 0, 0, 1, 0, 1, 1, 1, 1, 1]
    low, high = (6 + 1) / (6 + 2), 1 / (4 + 2)  # targets of the classes
    means = (3 * high + low) / 4, (high + 5 * low) / 6
    scaling = PlattScaling.fit(logits, labels)
    np.testing.assert_allclose(scaling.probability([-1.0, 3.0]), means, atol=1e-6)
    assert scaling.slope == pytest.approx((logit(means[1]) - logit(means[0])) / 4, abs=1e-5)


def test_separated_logits_keep_a_finite_slope():
    scaling = PlattScaling.fit([-900.0, -800.0, 700.0, 950.0], [0, 0, 1, 1])
    low, high = scaling.probability([-900.0, 950.0])
    assert math.isfinite(scaling.slope) and 0.2 < low < 0.3 and 0.7 < high < 0.8  # targets are 1/4 and 3/4


def test_constant_logits_give_the_mean_target():
    scaling = PlattScaling.fit([2.0] * 4, [0, 1, 1, 1])
    assert scaling.slope == 0 and scaling.probability(9.0) == pytest.approx((1 / 3 + 3 * 4 / 5) / 4, abs=1e-7)


def test_known_miscalibration_is_undone():
    logits, labels = draw(size=20000)
    scaling = PlattScaling.fit(logits, labels)
    assert (scaling.slope, scaling.intercept) == (pytest.approx(0.4, abs=0.03), pytest.approx(-0.7, abs=0.06))
    record = calibrate_probability(logits.tolist(), labels.tolist())
    assert record["expected_calibration_error"]["after"] < 0.02 < 0.1 < record["expected_calibration_error"]["before"]
    assert record["brier_score"]["after"] < record["brier_score"]["before"]
    assert (record["method"], record["images"], record["pathological_images"]) == ("platt", 20000, labels.sum())


def test_errors_agree_with_scikit_learn():
    logits, labels = draw(3)
    probabilities = expit(logits)
    assert brier_score(probabilities, labels) == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-12)
    share, mean = calibration_curve(labels, probabilities, n_bins=10)
    edges = np.linspace(0, 1, 11)
    weights = np.histogram(probabilities, edges)[0]
    expected = np.sum(weights[weights > 0] * np.abs(share - mean)) / len(labels)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "labels", "bins", "expected"),
    [
        pytest.param([0.0, 1.0, 1.0], [0, 1, 1], 10, 0.0, id="perfect"),
        pytest.param([0.0, 1.0], [1, 0], 10, 1.0, id="the_wrong_way_round"),
        pytest.param([0.5, 0.5], [0, 1], 10, 0.0, id="even_coin"),
        pytest.param([0.2, 0.4, 0.9], [0, 0, 1], 2, (0.6 + 0.1) / 3, id="two_bins_by_hand"),
    ],
)
def test_calibration_error_by_hand(probabilities, labels, bins, expected):
    assert expected_calibration_error(probabilities, labels, bins=bins) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_not_scaled(label):
    record = calibrate_probability([1.0, 2.0], [label, label])
    assert record["method"] is None and f"got {2 * label} pathological of 2 images" in record["reason"]
    assert calibrated_probability({"probability": record}, 1.0) is None
    with pytest.raises(ValueError, match=f"got {2 - 2 * label} and {2 * label}"):
        PlattScaling.fit([1.0, 2.0], [label, label])


def test_probability_of_a_threshold_record():
    scaling = {"method": "platt", "slope": 2.0, "intercept": -1.0}
    assert calibrated_probability({"probability": scaling}, 0.5) == pytest.approx(0.5)
    assert calibrated_probability({"probability": scaling}, 1.0) == pytest.approx(1 / (1 + math.exp(-1)))
    assert calibrated_probability({}, 1.0) is None


def test_wrong_input():
    with pytest.raises(ValueError, match="got 2 and 1"):
        PlattScaling.fit([0.0, 1.0], [1])
    with pytest.raises(ValueError, match="got 0 and 0"):
        brier_score([], [])
    with pytest.raises(ValueError, match="finite, got 1 others"):
        calibrate_probability([math.nan, 0.0], [0, 1])
    with pytest.raises(ValueError, match=r"\[0, 1\], got -1 to 0\.5"):
        expected_calibration_error([-1.0, 0.5], [0, 1])
