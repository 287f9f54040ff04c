from __future__ import annotations

import json

import pytest
import yaml

from bundle.compare import load_plan, make_combinations
from bundle.compare.plan_values import ROOT
from bundle.compare.shortcut import read_shortcut, summarise_shortcut
from tests.shortcut_toy import change_cells, write_shortcut


@pytest.fixture
def folders(tmp_path):
    return write_shortcut(tmp_path)


def test_plan_trains_each_tie_once(slices, tmp_path, monkeypatch):
    content = yaml.safe_load((ROOT / "configs" / "compare" / "shortcut.yaml").read_text())
    broken = json.loads((slices / "datalist.json").read_text())
    entries = [entry for part in broken.values() if isinstance(part, list) for entry in part]
    for entry in entries:
        entry |= {key: str(slices / entry[key]) for key in ("image", "mask")}
    broken["test"] = broken["test"][:-1]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    for cohort in content["cohorts"].values():
        other = cohort["datalist"].endswith("broken.json")
        cohort["datalist"] = str(tmp_path / "broken.json" if other else slices / "datalist.json")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    made = make_combinations(load_plan(tmp_path / "plan.yaml").selected(seeds=[0]), tmp_path / "work")
    for method in ("unsup", "no_cons"):
        found = {c.training.cohort: c for c in made if c.training.method == method}
        assert found["tie_09"].training.folder == found["tie_09_broken"].training.folder
        assert found["tie_09"].evaluation.folder != found["tie_09_broken"].evaluation.folder
        assert found["tie_09"].evaluation.folder == found["tie_0"].evaluation.folder  # of one data set here


def test_measures_of_a_training(folders):
    runs = {(run.tie, run.method, run.seed): run.row() for run in read_shortcut(*folders)}
    assert len(runs) == 8
    assert runs[1.0, "no_cons", "1"] == {
        "tie": 1.0,
        "method": "no_cons",
        "seed": "1",
        "accuracy_tied": 1.0,
        "accuracy_broken": 0.5,
        "accuracy_lost": 0.5,
        "outside_lesion_tied": 0.5,
        "outside_lesion_broken": 0.5,
        "healthy_negative_tied": pytest.approx(0.9),
        "healthy_negative_broken": pytest.approx(0.9),
    }
    assert runs[1.0, "unsup", "0"]["accuracy_lost"] == 1 / 8
    assert (runs[0.0, "unsup", "0"]["accuracy_tied"], runs[0.0, "unsup", "0"]["accuracy_lost"]) == (7 / 8, 0.0)


def test_summary_tests_over_patients(folders):
    rows = {(row["tie"], row["method"]): row for row in summarise_shortcut(read_shortcut(*folders))}
    row = rows[1.0, "no_cons"]
    assert (row["seeds"], row["patients"], row["accuracy_tied_sd"]) == (2, 4, 0.0)
    assert (row["accuracy_lost"], row["accuracy_lost_low"], row["accuracy_lost_high"]) == (0.5, 0.5, 0.5)
    assert row["accuracy_lost_p"] == 2 / 2**4  # all four patients lose
    assert "saved" not in row
    row = rows[1.0, "unsup"]
    assert (row["accuracy_lost"], row["saved"], row["saved_p"]) == (1 / 8, 3 / 8, 2 / 2**3)  # one patient ties
    assert rows[0.0, "unsup"]["accuracy_lost_p"] == 1.0
    assert [row["tie"] for row in summarise_shortcut(read_shortcut(*folders))] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("change", [{"complete": "0"}, {"cohort": "tie_07_broken"}], ids=["not_complete", "absent"])
def test_a_tie_without_its_broken_test_is_left_out(folders, caplog, change):
    change_cells(folders, tie_1_broken=change)
    assert {run.tie for run in read_shortcut(*folders)} == {0.0}
    assert "tie_1, unsup, seed 0 is left out: it lacks a complete test" in caplog.text


def test_tests_on_different_subjects(folders):
    path = folders[1] / "cells" / "tie_1_broken_unsup_0" / "evaluation.json"
    content = json.loads(path.read_text())
    content["subjects"].pop(0)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="must be tested on the same subjects, got 7 and 8 at tie 1, such as h0_0"):
        read_shortcut(*folders)


def test_mistakes(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cells\.csv\. Run scripts\.compare with configs/compare/shortcut"):
        read_shortcut(tmp_path, folders[1])
    with pytest.raises(FileNotFoundError, match=r"evaluation\.json\. Name the work_dir"):
        read_shortcut(folders[0], tmp_path)
    change_cells(folders, tie_0={"complete": "0"}, tie_1={"complete": "0"})
    with pytest.raises(ValueError, match="no training has both of its tests, got 12 evaluations"):
        read_shortcut(*folders)
    change_cells(folders, tie_0={"cohort": "tumour"})
    with pytest.raises(ValueError, match="named like tie_0, tie_05 or tie_1, got 'tumour'"):
        read_shortcut(*folders)
