from __future__ import annotations

import json
import os
import shutil

import pytest
from monai.bundle import ConfigParser

from bundle.compare import cells as module
from bundle.compare import load_plan, make_combinations
from bundle.compare.code import PACKAGE
from bundle.compare.plan_values import ROOT


@pytest.fixture
def keys(write_plan, content, tmp_path):
    """Return the hashes of the training and the evaluation of a changed plan."""

    def keys(package=PACKAGE, **change):
        plan = load_plan(write_plan({**content, **change}))
        (made,) = make_combinations(plan, tmp_path, package=package)
        return made.training.folder.name, made.evaluation.folder.name

    return keys


def test_same_inputs_give_the_same_cells(keys, content, copied_slices):
    before = keys()
    assert keys() == before
    renamed = {"other": {**content["cohorts"]["tiny"], "dataset_dir": str(copied_slices)}}
    os.utime(copied_slices / "datalist.json", ns=(1, 1))
    assert keys(cohorts=renamed) == before, "a copied cohort is the same data"


@pytest.mark.parametrize(
    ("change", "trained_anew"),
    [
        pytest.param({"seeds": [1]}, True, id="seed"),
        pytest.param({"estimators": ["eg"]}, True, id="estimator"),
        pytest.param({"methods": ["ross"]}, True, id="method"),
        pytest.param({"train_overrides": {"max_epochs": 2}}, True, id="training_value"),
        pytest.param({"sweep": {"alpha": [0.25]}}, True, id="swept_value"),
        pytest.param({"evaluate_overrides": {"device": "cuda"}}, False, id="evaluation_value"),
        pytest.param({"scores": ["ig"]}, False, id="scores"),
        pytest.param({"maps": False}, False, id="maps"),
    ],
)
def test_changed_values(keys, change, trained_anew):
    before, after = keys(), keys(**change)
    assert (before[0] != after[0]) == trained_anew
    assert before[1] != after[1], "an evaluation also depends on its training"


def test_changed_config(keys, monkeypatch):
    before = keys()
    read = module._content
    monkeypatch.setattr(module, "_content", lambda path: read(path).replace('"patience": 10', '"patience": 11'))
    after = keys()
    assert before[0] != after[0] and before[1] != after[1]


def test_comments_of_a_config_do_not_count(tmp_path):
    for name, text in (("a", "alpha: 1.0  # why\n\nbeta: 2"), ("b", "beta: 2\nalpha: 1.0")):
        (tmp_path / f"{name}.yaml").write_text(text)
    assert module._content(tmp_path / "a.yaml") == module._content(tmp_path / "b.yaml")


@pytest.mark.parametrize(
    ("name", "anew"),
    [
        pytest.param("losses/functional.py", (True, True), id="loss"),
        pytest.param("handlers/evaluation.py", (False, True), id="evaluation"),
        pytest.param("data/phantom/tumour.py", (False, False), id="not_used"),
    ],
)
def test_changed_code(keys, tmp_path, name, anew):
    package = shutil.copytree(PACKAGE, tmp_path / "bundle", ignore=shutil.ignore_patterns("__pycache__"))
    before = keys(package)
    assert before == keys()
    (package / name).write_text((package / name).read_text() + "\nCHANGED = 1\n")
    assert tuple(a != b for a, b in zip(before, keys(package), strict=True)) == anew


def test_changed_data(keys, content, copied_slices, tmp_path):
    cohort = shutil.copytree(copied_slices, tmp_path / "cohort")
    content["cohorts"]["tiny"]["dataset_dir"] = str(cohort)
    before = keys()
    datalist = json.loads((cohort / "datalist.json").read_text())
    test, validation = (cohort / datalist[section][0]["image"] for section in ("test", "validation"))
    shutil.copy(cohort / datalist["test"][1]["image"], test)
    after_test = keys()
    assert after_test[0] == before[0] and after_test[1] != before[1], "the test section is not trained on"
    shutil.copy(cohort / datalist["validation"][1]["image"], validation)
    assert keys()[0] != before[0]


def test_command_is_what_a_user_types(write_plan, content, tmp_path):
    content.update(methods=["sup"], estimators=["eg"], scores=["eg"])
    (made,) = make_combinations(load_plan(write_plan(content)), tmp_path)
    train, evaluate = (list(cell.command) for cell in made.cells)
    names = ["train", "train_2d", "methods/sup", "methods/sup_2d", "methods/estimators/eg"]
    assert train[5] == "[" + ",".join(f"'configs/{name}.yaml'" for name in names) + "]"
    assert train[train.index("--network_def#classifier#channels") + 1] == "[4, 8, 8]"
    assert train[train.index("--output_dir") + 1] == str(made.training.folder)
    assert evaluate[5] == "['configs/evaluate.yaml','configs/attributions.yaml','configs/evaluate_2d.yaml']"
    assert evaluate[evaluate.index("--scores") + 1] == "['attribution', 'eg', 'intensity']"
    assert "--attributions#ig#_disabled_" in evaluate and "--attributions#eg#_disabled_" not in evaluate
    assert evaluate[evaluate.index("--model_file") + 1] == str(made.training.folder / "model.pt")
    assert evaluate[evaluate.index("--maps_dir") + 1] == str(made.evaluation.folder / "maps")


def test_missing_datalist(write_plan, content, tmp_path):
    content["cohorts"]["gone"] = {"dataset_dir": str(tmp_path / "gone")}
    plan = load_plan(write_plan(content))
    with pytest.raises(FileNotFoundError, match=r"cohort 'gone': no such datalist: .*gone/datalist\.json; make it"):
        make_combinations(plan, tmp_path)
    assert len(make_combinations(plan.selected(cohorts=["tiny"]), tmp_path)) == 1


def test_supervision_on_slices_augments_as_train_2d():
    """sup_2d.yaml repeats the elastic transform of train_2d.yaml, whose keywords are not those of sup.yaml."""
    elastic = {}
    for name in ("train_2d", "methods/sup_2d"):
        config = ConfigParser.load_config_file(ROOT / "configs" / f"{name}.yaml")
        elastic[name] = {**config["train::random_transforms::1"], "keys": "image", "mode": "bilinear"}
    assert elastic["train_2d"] == elastic["methods/sup_2d"]
