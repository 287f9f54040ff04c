from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics import classification_rates, mean, standard_deviation


def test_unknown_values_are_left_out():
    values = [0.2, None, 0.5, math.nan, 0.9]
    assert mean(values) == pytest.approx(np.mean([0.2, 0.5, 0.9]))
    assert standard_deviation(values) == pytest.approx(np.std([0.2, 0.5, 0.9], ddof=1))
    assert math.isnan(mean([None])) and math.isnan(standard_deviation([0.3]))


def test_classification_rates():
    rows = [{"label": label, "decision": decision} for label, decision in [(1, 1), (1, 0), (1, 1), (0, 0)]]
    rates = classification_rates(rows)
    assert rates == {"tpr": pytest.approx(2 / 3), "tnr": 1.0, "pathological_subjects": 3, "healthy_subjects": 1}
    assert math.isnan(classification_rates(rows[:3])["tnr"])
