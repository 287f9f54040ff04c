from __future__ import annotations

import json

import pytest

from bundle.report.evaluation_run import read_evaluation
from tests.report.evaluation_toy import write_evaluation


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = write_evaluation(tmp_path_factory.mktemp("toy"), slices=False)
    return {name: (folder / name).read_text() for name in ("evaluation.json", "curves.json")}


@pytest.fixture
def folder(content, tmp_path):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def change(folder, **values):
    record = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**record, **values}))


def test_what_is_read(folder):
    run = read_evaluation(folder)
    assert (run.scores, run.method, run.baseline) == (["attribution", "intensity"], "attribution", "intensity")
    assert run.conditions == ["tumour"] and [row["subject"] for row in run.annotated("tumour")] == ["a", "b", "c"]
    assert run.calibration["calibrated_on"] == {"source": "cohort <7>"}
    assert {row["score"] for row in run.curves["curves"]} == {"attribution", "intensity"}
    assert run.provenance == {} and run.sweep == [] and run.slices(1) is None


def test_evaluation_without_its_calibration_reads_the_threshold_file(folder):
    change(folder, threshold_file=None)
    assert read_evaluation(folder).calibration == {}
    (folder / "threshold.json").write_text('{"calibrated_on": {"subjects": 5}}')
    assert read_evaluation(folder).calibration == {"calibrated_on": {"subjects": 5}}


def test_sweep(folder):
    header = "cohort,method,estimator,seed,condition,score,metric,value\n"
    (folder / "results.csv").write_text(header + "toy,unsup@alpha=1,g,1,ms,attribution,dice,0.5\n")
    (row,) = read_evaluation(folder).sweep
    assert row["method"] == "unsup@alpha=1" and row["value"] == 0.5
    (folder / "results.csv").write_text(header + "toy,unsup,g,1,ms,attribution,dice,half\n")
    with pytest.raises(ValueError, match=r"results\.csv: rows must have the columns of a comparison, .*half"):
        read_evaluation(folder)


def test_no_evaluation(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*evaluation\.json. Run evaluate.yaml"):
        read_evaluation(tmp_path)


@pytest.mark.parametrize(("text", "found"), [('{"a": ', "Expecting value"), ("[1]", "an object|JSON object, got list")])
@pytest.mark.parametrize("name", ["evaluation.json", "curves.json", "audit.json"])
def test_broken_json(folder, name, text, found):
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name}: the file must .*({found})"):
        read_evaluation(folder)


def test_no_subject(folder):
    change(folder, subjects=[])
    with pytest.raises(ValueError, match="'subjects' must hold at least one entry, got 0"):
        read_evaluation(folder)


def test_missing_and_wrong_entries(folder):
    change(folder, decision=3)
    with pytest.raises(ValueError, match="'decision' must be of type dict, got int"):
        read_evaluation(folder)
    (folder / "evaluation.json").write_text("{}")
    with pytest.raises(ValueError, match="'classification' must be of type dict, got nothing"):
        read_evaluation(folder)


def test_slices_of_another_run_are_not_shown(tmp_path):
    folder = write_evaluation(tmp_path)
    assert read_evaluation(folder).slices(1).subject == "a"
    rows = json.loads((folder / "evaluation.json").read_text())["subjects"]
    change(folder, subjects=[{**rows[0], "logit": 9.0}, {**rows[1], "subject": "other"}, *rows[2:]])
    run = read_evaluation(folder)
    assert run.slices(1) is None and run.slices(2) is None and run.slices(3).subject == "c"
