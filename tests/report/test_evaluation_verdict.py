from __future__ import annotations

import math
from pathlib import Path

import pytest

from bundle.report.evaluation_run import EvaluationRun
from bundle.report.evaluation_verdict import baseline_tests, key_numbers, verdict


def make_run(method, baseline, patients=None, tnr=0.5):
    subjects = [
        {
            "subject": f"s{place}",
            "condition": "ms",
            "label": 1,
            "decision": place % 2,
            "lesion_ml": 1.0,
            "brain_ml": 1000.0 if place else 3000.0,
            **({"patient": patients[place]} if patients else {}),
            **{f"attribution_{metric}": method[place] for metric in ("dice", "auprc")},
            **{f"intensity_{metric}": baseline[place] for metric in ("dice", "auprc")},
        }
        for place in range(len(method))
    ]
    row = {"condition": "ms", "subjects": len(method), "dice": 0.5, "dice_sd": 0.1, "auprc": 0.25, "threshold": 1.0}
    summary = [{**row, "score": "attribution"}, {**row, "score": "intensity", "dice": 0.125}]
    healthy = 0 if tnr is None else 2
    rates = {"tpr": 0.5, "tnr": tnr, "pathological_subjects": len(method), "healthy_subjects": healthy}
    record = {"subjects": subjects, "summary": summary, "classification": rates, "decision": {"logit": -0.5}}
    return EvaluationRun(Path(), record)


@pytest.mark.parametrize(("sign", "outcome"), [(1, "better"), (-1, "worse")])
def test_one_direction_in_every_subject(sign, outcome):
    other = [0.3, 0.4, 0.5, 0.6, 0.7, 0.35, 0.45]
    test = baseline_tests(make_run([value + 0.2 * sign for value in other], other))[1]
    assert test.outcome == outcome and test.metric == "Dice"
    assert test.test.p_value == pytest.approx(2 / 2**7)  # exact: of all exchanges two are as extreme
    assert test.test.difference == pytest.approx(0.2 * sign)
    assert "p = 0.0156" in test.explanation and "7 units" in test.explanation


def test_too_few_subjects_for_a_small_p():
    test = baseline_tests(make_run([0.9, 0.8, 0.7], [0.1, 0.1, 0.1]))[0]
    assert test.outcome == "no difference shown"
    assert "with 3 units no p below 0.25 is possible" in test.explanation


def test_units_are_patients():
    test = baseline_tests(make_run([0.9, 0.8, 0.7, 0.6], [0.1] * 4, patients=["p", "p", "q", "q"]))[0]
    assert test.test.units == 2


def test_one_subject_and_no_baseline():
    run = make_run([0.5], [0.25])
    (auprc, dice) = baseline_tests(run)
    assert auprc.outcome == "no test" and math.isnan(dice.test.p_value)
    assert "no test: a test needs at least 2 units, got 1" in " ".join(verdict(run, [auprc, dice]))
    run.record["summary"].pop()
    assert baseline_tests(run) == [] and "No intensity baseline was evaluated." in verdict(run, [])[1]


def test_unknown_values_are_left_out():
    assert baseline_tests(make_run([None, 0.5, 0.5], [0.5, 0.4, 0.4]))[0].test.units == 2


def test_sentences_and_first_numbers():
    run = make_run([0.5, 0.6, 0.4, 0.7], [0.4, 0.65, 0.3, 0.7], tnr=None)
    words = verdict(run, baseline_tests(run))
    assert "logit -0.500. 2 of 4 patients are called rightly (TPR 0.500). There are no healthy subjects" in words[0]
    assert "ms, 4 subjects: Dice 0.500 ± 0.100 and pooled AUPRC 0.250" in words[1]
    assert "gives Dice 0.125 ± 0.100" in words[1]
    assert words[2].startswith("In 1 subject more of the image is not zero than a brain can fill (2500 ml)")
    assert [value for value, _, _ in key_numbers(run)] == ["0.500", "n/a", "0.500 ± 0.100"]
