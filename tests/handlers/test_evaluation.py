from __future__ import annotations

import csv
import json
import statistics

import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from bundle.anomaly import OUTSIDE_BRAIN, save_thresholds
from bundle.handlers import EvaluationHandler


@pytest.fixture
def run(tmp_path, feed):
    def evaluate(items):
        model_file, threshold_file = tmp_path / "model.pt", tmp_path / "threshold.json"
        model_file.write_bytes(b"weights")
        save_thresholds(threshold_file, model_file, {"attribution": 0.5, "intensity": 2.0})
        feed(EvaluationHandler(tmp_path / "out", threshold_file, model_file, source="toy"), items)
        return json.loads((tmp_path / "out" / "evaluation.json").read_text())

    return evaluate


def test_table_against_scikit_learn(run, items, tmp_path):
    record = run(items)
    ms, baseline = (row for row in record["summary"] if row["condition"] == "ms")
    mask = [1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]
    score = [0.9, 0.8, -0.3, -0.4, 0.6, -0.1, -0.2, OUTSIDE_BRAIN]
    score += [-0.5, 0.7, 0.4, -0.9, -0.8, -0.7, -0.6, OUTSIDE_BRAIN]
    assert ms["score"] == "attribution" and ms["subjects"] == 2
    assert ms["auprc"] == pytest.approx(average_precision_score(mask, score))
    assert ms["auroc"] == pytest.approx(roc_auc_score(mask, score))
    inside = [value > OUTSIDE_BRAIN for value in score]
    brain_mask = [value for value, keep in zip(mask, inside, strict=True) if keep]
    brain_score = [value for value, keep in zip(score, inside, strict=True) if keep]
    assert ms["auprc_brain"] == pytest.approx(average_precision_score(brain_mask, brain_score))
    assert ms["auroc_brain"] == pytest.approx(roc_auc_score(brain_mask, brain_score))
    dice = [2 * 2 / (3 + 3), 2 * 1 / (1 + 2)]  # a: 0.9 0.8 0.6 called, 3 lesion voxels; b: 0.7 called, 2
    assert (ms["dice"], ms["dice_sd"]) == (pytest.approx(statistics.mean(dice)), pytest.approx(statistics.stdev(dice)))
    assert baseline["score"] == "intensity" and baseline["threshold"] == 2.0
    assert record["source"] == "toy" and "whole image" in record["protocol"]


def test_decisions_volumes_and_healthy_subjects(run, items):
    record = run(items)
    assert record["classification"] == {
        "tpr": pytest.approx(2 / 3),
        "tnr": 1.0,
        "pathological_subjects": 3,
        "healthy_subjects": 1,
    }
    healthy = [row for row in record["summary"] if row["condition"] == "healthy"]
    assert healthy[0]["false_positive_ml"] == pytest.approx(0.5)  # one voxel above 0.5, 10 x 10 x 5 mm
    assert healthy[0]["negative_fraction"] == pytest.approx(5 / 7)
    assert "negative_fraction" not in healthy[1]
    first, *_, last = record["subjects"]
    assert (first["brain_ml"], first["lesion_ml"], first["attribution_volume_ml"]) == (3.5, 1.5, 1.5)
    assert last["lesion_ml"] is None and "attribution_dice" not in last
    assert [row["condition"] for row in record["summary"]] == ["ms", "ms", "healthy", "healthy"]


def test_lesions_are_counted_by_volume(run, items):
    record = run(items)
    assert "26 neighbours" in record["protocol"] and "10 %" in record["protocol"]
    rows = [row for row in record["lesions"] if (row["condition"], row["score"]) == ("ms", "attribution")]
    assert [(row["lower_ml"], row["upper_ml"]) for row in rows] == [(0, 0.1), (0.1, 1), (1, 10), (10, None), (0, None)]
    # On two voxels a side all touch: a has one lesion of 1.5 ml of which two thirds are called, b one of 1 ml, half.
    assert [(row["lesions"], row["detected"], row["sensitivity"]) for row in rows] == [
        (0, 0, None),
        (0, 0, None),
        (2, 2, 1.0),
        (0, 0, None),
        (2, 2, 1.0),
    ]
    assert [row["false_positives_per_image"] for row in rows] == [0.0] * 5
    assert {(row["condition"], row["score"]) for row in record["lesions"]} == {
        ("ms", "attribution"),
        ("ms", "intensity"),
    }


def test_false_components_are_counted(run, items):
    items[0]["mask"][:] = 0
    items[0]["mask"][0, 1, 1, 1] = 1  # outside the brain, and no voxel of what is called
    rows = [row for row in run(items[:1])["lesions"] if row["score"] == "attribution"]
    assert [row["false_positives_per_image"] for row in rows] == [0, 0, 1, 0, 1]  # one component of 1.5 ml
    assert [(row["lesions"], row["detected"]) for row in rows] == [(0, 0), (1, 0), (0, 0), (0, 0), (1, 0)]


def test_volumes_are_compared(run, items):
    record = run(items)
    row = next(row for row in record["volumes"] if row["score"] == "attribution")
    called, true = [1.5, 0.5], [1.5, 1.0]
    differences = [a - b for a, b in zip(called, true, strict=True)]
    assert row["condition"] == "ms" and row["subjects"] == 2
    assert row["absolute_difference_ml"] == pytest.approx(0.25) and row["bias_ml"] == pytest.approx(-0.25)
    limits = [-0.25 + sign * 1.96 * statistics.stdev(differences) for sign in (-1, 1)]
    assert [row["lower_limit_ml"], row["upper_limit_ml"]] == pytest.approx(limits)
    assert row["correlation"] == pytest.approx(1.0)
    (single, _) = run(items[:1])["volumes"]
    assert (single["lower_limit_ml"], single["correlation"]) == (None, None)


def test_curves_and_what_else_the_threshold_file_holds(run, items, tmp_path):
    record = run(items)
    assert record["threshold_file"]["calibrated_on"] == {}
    content = json.loads((tmp_path / "out" / "curves.json").read_text())
    assert [(row["condition"], row["score"]) for row in content["curves"]] == [
        ("ms", "attribution"),
        ("ms", "intensity"),
    ]
    row = content["curves"][0]
    place = row["dice"]["threshold"].index(0.5)
    assert row["dice"]["mean"][place] == record["summary"][0]["dice"]
    assert [sum(content["histogram"][group]) for group in ("healthy", "patient_outside", "lesion")] == [7, 10, 4]


def test_slices_name_their_patient(run, items):
    record = run([{**item, "patient": f"person {item['subject']}"} for item in items])
    assert [row["patient"] for row in record["subjects"]] == ["person a", "person b", "person c", "person d"]
    assert all("patient" not in row for row in run(items)["subjects"])


def test_patients_only(run, items, tmp_path):
    record = run(items[:2])
    assert record["classification"]["tnr"] is None and record["classification"]["tpr"] == 0.5
    assert len(record["summary"]) == 2
    with (tmp_path / "out" / "subjects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["subject"] for row in rows] == ["a", "b"]
    assert float(rows[0]["attribution_dice"]) == pytest.approx(2 / 3)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "curves.json",
        "evaluation.json",
        "subjects.csv",
        "summary.csv",
    ]


def test_one_subject_has_no_deviation(run, items):
    record = run(items[:1])
    assert record["summary"][0]["dice_sd"] is None


def test_no_mask(run, items, tmp_path):
    with pytest.raises(ValueError, match="got 0 among 2 subjects"):
        run(items[2:])
    assert not (tmp_path / "out").exists()
