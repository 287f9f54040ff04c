from __future__ import annotations

import json

import pytest

from bundle.audit.falls import ALL, SubjectFalls, summarise_falls


def falls(subject, condition="tumour", logit=2.0, anomaly=-1.0, controls=(2.0, 1.5), lesion=None, patient=None):
    volume = None if lesion is None else 3.0
    return SubjectFalls(subject, patient or subject, condition, logit, 4.0, anomaly, tuple(controls), volume, lesion)


def test_falls_of_a_subject():
    subject = falls("a", lesion=0.5)
    assert (subject.anomaly_fall, subject.control_falls, subject.lesion_fall) == (3.0, [0.0, 0.5], 1.5)
    assert subject.record() == {
        "subject": "a",
        "patient": "a",
        "condition": "tumour",
        "logit": 2.0,
        "anomaly_ml": 4.0,
        "lesion_ml": 3.0,
        "anomaly_fall": 3.0,
        "control_falls": [0.0, 0.5],
        "control_fall": 0.25,
        "lesion_fall": 1.5,
    }


def test_one_row_for_each_region():
    rows = falls("a", lesion=0.5).region_rows()
    assert [(row["region"], row["volume_ml"], row["filled_logit"], row["fall"]) for row in rows] == [
        ("anomaly", 4.0, -1.0, 3.0),
        ("control 1", 4.0, 2.0, 0.0),
        ("control 2", 4.0, 1.5, 0.5),
        ("lesion", 3.0, 0.5, 1.5),
    ]
    assert len(falls("a").region_rows()) == 3


def test_summary_by_hand():
    subjects = [
        falls("a", anomaly=-1.0, controls=(2.0, 1.5), lesion=0.0),  # falls 3, 0.25 and 2
        falls("b", anomaly=1.0, controls=(1.0, -0.5), lesion=1.5),  # falls 1, 1.75 and 0.5
        falls("c", anomaly=0.5, controls=(0.5, 1.0)),  # falls 1.5 and 1.25; a control's fall is as large
    ]
    (row,) = summarise_falls(subjects, decision_logit=0.0)
    test = row.pop("test")
    assert row == {
        "condition": "tumour",
        "subjects": 3,
        "patients": 3,
        "anomaly_fall": pytest.approx(5.5 / 3),
        "anomaly_fall_sd": pytest.approx(1.0408, abs=1e-4),
        "control_fall": pytest.approx(3.25 / 3),
        "control_fall_sd": pytest.approx(0.7638, abs=1e-4),
        "lesion_fall": 1.25,
        "lesion_fall_sd": pytest.approx(1.0607, abs=1e-4),
        "exceeds_all": pytest.approx(1 / 3),
        "anomaly_turned": pytest.approx(1 / 3),
        "control_turned": pytest.approx(0.5 / 3),
        "lesion_turned": 0.5,  # at the decision logit a subject is called healthy
    }
    # Differences 2.75, -0.75 and 0.25 add up to 2.25: all exchanges are as far from zero but 2.75 - 0.75 - 0.25.
    assert (test["difference"], test["p_value"], test["units"]) == (pytest.approx(0.75), 6 / 8, 3)


def test_conditions_after_all_of_them():
    rows = summarise_falls([falls("a"), falls("b", "ms"), falls("c", "ms")], 0.0)
    assert [(row["condition"], row["subjects"]) for row in rows] == [(ALL, 3), ("ms", 2), ("tumour", 1)]


def test_slices_of_a_patient_are_one_unit():
    subjects = [falls(f"slice{number}", patient=f"person{number // 2}") for number in range(4)]
    (row,) = summarise_falls(subjects, 0.0)
    assert (row["subjects"], row["patients"], row["test"]["units"]) == (4, 2, 2)


def test_one_subject_allows_no_test():
    (row,) = summarise_falls([falls("a")], 0.0)
    assert row["test"]["p_value"] is None and row["test"]["reason"] == "a test needs at least 2 units, got 1"
    assert (row["anomaly_fall"], row["anomaly_fall_sd"], row["lesion_fall"], row["lesion_turned"]) == (3.0, *[None] * 3)
    json.dumps(row, allow_nan=False)


def test_no_subject():
    with pytest.raises(ValueError, match="at least one patient called pathological, got 0"):
        summarise_falls([], 0.0)
