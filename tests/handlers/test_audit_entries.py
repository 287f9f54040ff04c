from __future__ import annotations

import pytest

from bundle.handlers import audited_entries, check_audited

ENTRIES = [
    {"subject": "h", "condition": "healthy", "label": 0},
    *(
        {"subject": f"t{number}", "condition": "tumour", "label": 1, "patient": f"p{number // 2}"}
        for number in range(6)
    ),
    {"subject": "m", "condition": "ms", "label": 1},
]


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        pytest.param(None, ["t0", "t1", "t2", "t3", "t4", "t5", "m"], id="all"),
        pytest.param(2, ["t0", "t1", "t2", "t3", "m"], id="all_slices_of_two_patients_a_condition"),
    ],
)
def test_audited_entries(patients, expected):
    assert [entry["subject"] for entry in audited_entries(ENTRIES, patients)] == expected


def test_check_audited():
    assert check_audited(ENTRIES, 1, "list.json") == ENTRIES
    with pytest.raises(ValueError, match=r"list\.json: .*pathological test images \(label 1\), got 0"):
        check_audited([], 1, "list.json")
    with pytest.raises(ValueError, match="at least 1 control region of each patient, got 0"):
        check_audited(ENTRIES, 0, "list.json")
