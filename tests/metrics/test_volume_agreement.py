from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bundle.metrics import volume_agreement


def test_worked_out_by_hand():
    result = volume_agreement([2.0, 5.0, 8.0], [1.0, 5.0, 9.0])
    assert (result.subjects, result.bias_ml, result.correlation) == (3, 0.0, pytest.approx(1.0))
    assert result.absolute_difference_ml == pytest.approx(2 / 3)
    assert (result.lower_limit_ml, result.upper_limit_ml) == (pytest.approx(-1.96), pytest.approx(1.96))


def test_against_numpy_and_scipy():
    random = np.random.default_rng(1)
    true = random.gamma(1.0, 10.0, 30)
    predicted = np.maximum(true + random.normal(1.0, 4.0, 30), 0)
    difference = predicted - true
    result = volume_agreement(predicted.tolist(), true.tolist())
    assert result.bias_ml == pytest.approx(difference.mean())
    assert result.upper_limit_ml - result.lower_limit_ml == pytest.approx(2 * 1.96 * difference.std(ddof=1))
    assert result.absolute_difference_ml == pytest.approx(abs(difference).mean())
    assert result.correlation == pytest.approx(stats.pearsonr(predicted, true).statistic)


def test_one_subject_has_a_bias_only():
    result = volume_agreement([3.0], [1.0])
    assert result.bias_ml == result.absolute_difference_ml == 2.0
    assert math.isnan(result.lower_limit_ml) and math.isnan(result.upper_limit_ml) and math.isnan(result.correlation)


def test_nothing_marked_has_no_correlation():
    result = volume_agreement([0.0, 0.0], [1.0, 3.0])
    assert math.isnan(result.correlation) and result.bias_ml == -2.0


@pytest.mark.parametrize(
    ("predicted", "true", "match"),
    [
        pytest.param([1.0], [1.0, 2.0], "got 1 and 2", id="lengths"),
        pytest.param([], [], "got 0 and 0", id="empty"),
        pytest.param([-1.0], [2.0], "got -1.0 ml", id="negative"),
        pytest.param([1.0], [math.nan], "got nan ml", id="nan"),
        pytest.param([1.0], [math.inf], "got inf ml", id="infinite"),
    ],
)
def test_wrong_volumes(predicted, true, match):
    with pytest.raises(ValueError, match=match):
        volume_agreement(predicted, true)
