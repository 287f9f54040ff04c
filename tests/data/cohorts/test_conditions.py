from __future__ import annotations

import pytest

from bundle.data.cohorts.conditions import name_condition


@pytest.mark.parametrize(
    ("value", "names", "expected"),
    [
        pytest.param("ms", {}, "ms", id="itself"),
        pytest.param("Healthy", {}, "healthy", id="healthy_in_capitals"),
        pytest.param("CONTROL", {"control": "healthy"}, "healthy", id="named"),
        pytest.param("Control", {"Control": "Control"}, "Control", id="named_as_patients"),
        pytest.param("chcp", {}, "chcp", id="hc_inside_a_word"),
    ],
)
def test_condition(value, names, expected):
    assert name_condition(value, names) == expected


@pytest.mark.parametrize("value", ["control", "Controls", "HC", "normal", "healthy volunteer"])
def test_control_never_becomes_a_patient_unasked(value):
    with pytest.raises(ValueError, match=rf"'{value}' seems to mean healthy"):
        name_condition(value, {"ms": "ms"})
