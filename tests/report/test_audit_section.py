from __future__ import annotations

import html
import json

import numpy as np
import pytest

from bundle.audit import SubjectFalls, summarise_falls
from bundle.data.files import file_sha256
from bundle.report.audit_section import FOREIGN, audit_figure, audit_findings, audit_parts
from bundle.report.evaluation_run import read_evaluation
from bundle.report.page import write_report
from tests.report.evaluation_toy import write_evaluation

CONTROLS = (-0.1, 0.1, 0.3)
NAME = "<i>a</i>"


def make_audit(anomaly=3.0, lesion=2.0, controls=CONTROLS, subjects=8, logit=2.0, condition="tumour"):
    """Return the audit of subjects whose logit falls by these values, decided at 0."""
    falls = [
        SubjectFalls(
            f"{NAME}{number}",
            f"p{number}",
            condition,
            logit,
            4.0,
            logit - anomaly * (1 + 0.01 * (number - (subjects - 1) / 2)),
            tuple(logit - fall for fall in controls),
            5.0,
            None if lesion is None else logit - lesion,
        )
        for number in range(subjects)
    ]
    return {
        "protocol": "as <usual>",
        "called": subjects + 1,
        "pathological": subjects + 2,
        "summary": summarise_falls(falls, 0.0),
        "left_out": [{"subject": "z", "condition": condition, "reason": "no room & so on"}],
        "subjects": [subject.record() for subject in falls],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("toy"), slices=False)


@pytest.fixture
def write(folder):
    """Write an audit into the folder of an evaluation and read both; the file is removed afterwards."""

    def write(audit, model_sha256=None):
        record = {**audit, "model_sha256": model_sha256 or file_sha256(folder.parent / "model.pt")}
        (folder / "audit.json").write_text(json.dumps(record))
        return read_evaluation(folder)

    yield write
    (folder / "audit.json").unlink()


@pytest.mark.parametrize(
    ("audit", "verdict"),
    [
        pytest.param({}, "Decisions rest on what was called anomalous: most of them turn", id="rests_on_it"),
        pytest.param({"logit": 20.0}, "but most of them stand without it: something else", id="stands_without_it"),
        pytest.param({"anomaly": 0.1}, "It is not shown that decisions rest", id="not_shown"),
        pytest.param({"anomaly": -1.0}, "rest on other tissue more than on what was called", id="on_something_else"),
        pytest.param({"subjects": 1}, "Nothing can be said about chance: there are too few", id="one_subject"),
    ],
)
def test_verdicts(audit, verdict):
    assert verdict in audit_findings(make_audit(**audit))[0]


def test_findings_give_the_numbers():
    _, falls, shares, lesions = audit_findings(make_audit())
    assert falls.startswith("9 of 10 pathological subjects are called pathological; 8, from 8 patients, are audited.")
    assert "falls by 3.000 ± 0.073, with as much other tissue filled by 0.100 ± 0.000 (p = 0.00781, 95 % inte" in falls
    assert shares.startswith("In 100 % of the subjects") and "0 % without a control region" in shares
    assert (
        "falls by 2.000 ± 0.000 and 100 % of the decisions turn" in lesions
    )  # to 0, where a subject is called healthy
    assert audit_findings(make_audit(lesion=None))[3].startswith("No true lesion is known")


def test_few_subjects_are_said_to_be_few():
    falls = audit_findings(make_audit(subjects=3))[1]
    assert "with 3 units no p below 0.25 is possible" in falls
    assert "no test: a test needs at least 2 units, got 1" in audit_findings(make_audit(subjects=1))[1]


def test_figure_joins_the_falls_of_each_subject(write):
    run = write(make_audit())
    (axis,) = audit_figure(run).axes
    controls, *joined = axis.get_lines()[:9]
    assert sorted(controls.get_ydata()) == pytest.approx(sorted(CONTROLS * 8))
    for row, line in zip(run.audit["subjects"], joined, strict=True):
        assert line.get_ydata().tolist() == [row["control_fall"], row["anomaly_fall"], row["lesion_fall"]]
    assert [label.get_text() for label in axis.get_xticklabels()][2] == "true\nlesion"


def test_figure_without_lesions_and_with_two_conditions(write):
    audit = make_audit(lesion=None)
    audit["subjects"] += make_audit(lesion=None, condition="ms", subjects=2)["subjects"]
    first, second = audit_figure(write(audit)).axes
    assert (first.get_title(), second.get_title()) == ("tumour", "ms")
    assert len(first.get_xticklabels()) == 2
    assert np.isfinite([line.get_ydata() for line in second.get_lines()[1:3]]).all()


def test_section_of_the_page(write, folder):
    write(make_audit())
    text = write_report(folder).read_text(encoding="utf-8")
    assert '<section id="audit"><h2>Shortcut audit</h2>' in text
    for expected in (*audit_findings(make_audit()), f"{NAME}7", "as <usual>", "no room & so on"):
        assert html.escape(expected) in text
    assert NAME not in text and "Every audited subject (8)" in text
    assert [path.suffix for path in sorted((folder / "report_figures").glob("*_audit.*"))] == [".png", ".svg"]


def test_audit_of_other_weights(write):
    run = write(make_audit(), model_sha256="0" * 64)
    assert audit_figure(run) is None
    assert audit_parts(run, []) == [f'<p class="note">{FOREIGN}</p>']


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"summary": None}, "audit.json: 'summary' must be of type list, got NoneType. Run audit.yaml again"),
        ({"protocol": 7}, "audit.json: 'protocol' must be of type str, got int"),
    ],
)
def test_broken_audit(write, change, message):
    with pytest.raises(ValueError, match=message):
        write({**make_audit(), **change})


def test_no_audit(folder):
    run = read_evaluation(folder)
    assert audit_parts(run, []) == [] and audit_figure(run) is None
