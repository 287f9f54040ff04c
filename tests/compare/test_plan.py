from __future__ import annotations

import pytest

from bundle.compare import load_plan
from bundle.compare.plan_values import ROOT


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "compare").glob("*.yaml")), ids=lambda path: path.stem)
def test_plans_of_the_repository(path):
    plan = load_plan(path)
    dims = 3 if path.stem.endswith("_3d") else 2
    assert all(cohort.spatial_dims == dims for cohort in plan.cohorts) and plan.scores[0] == "attribution"
    assert all(cohort.datalist.is_relative_to(ROOT / "data") for cohort in plan.cohorts)


def test_methods_of_table_4():
    plan = load_plan(ROOT / "configs" / "compare" / "table_4.yaml")
    assert {method.name: method.estimators for method in plan.methods} == {
        "sup": ("g",),
        "no_cons": ("",),
        "ross": ("g",),
        "erion": ("eg",),
        "unsup": ("g",),
        "unsup_ridge": ("g",),
    }
    assert {"attribution", "grad_cam", "intensity"} <= set(plan.scores)


def test_defaults_and_values_of_a_cohort(write_plan, content):
    content["evaluate_overrides"] = {"network_def#classifier#slope": 0.1}
    content["cohorts"]["tiny"]["train_overrides"] = {"max_epochs": 7}
    plan = load_plan(write_plan(content))
    (cohort,) = plan.cohorts
    assert cohort.train_overlays == ("configs/train_2d.yaml",)
    assert cohort.evaluate_overlays == ("configs/evaluate_2d.yaml",)
    assert cohort.train_overrides["max_epochs"] == 7 and cohort.train_overrides["batch_size"] == 6
    assert cohort.evaluate_overrides["network_def::classifier::slope"] == 0.1
    assert "max_epochs" not in cohort.evaluate_overrides and cohort.evaluate_overrides["device"] == "cpu"
    assert plan.maps and plan.scores == ("attribution", "intensity")
    assert [(method.name, method.estimators) for method in plan.methods] == [("unsup", ("g",))]


def test_sweep_makes_a_method_of_every_value(write_plan, content):
    content["methods"], content["sweep"] = ["unsup", "no_cons"], {"alpha": [0.0, 0.1]}
    plan = load_plan(write_plan(content))
    assert [method.name for method in plan.methods] == [
        "unsup@alpha=0",
        "unsup@alpha=0.1",
        "no_cons@alpha=0",
        "no_cons@alpha=0.1",
    ]
    assert plan.methods[1].swept == {"alpha": 0.1} and plan.methods[1].variant == plan.methods[3].variant
    assert [m.name for m in plan.selected(methods=["unsup"]).methods] == ["unsup@alpha=0", "unsup@alpha=0.1"]
    assert [m.name for m in plan.selected(methods=["unsup@alpha=0"]).methods] == ["unsup@alpha=0"]


def test_methods_of_table_5():
    plan = load_plan(ROOT / "configs" / "compare" / "table_5.yaml")
    methods = {method.name: method for method in plan.methods}
    assert {name: method.estimators for name, method in methods.items()} == {
        "unsup": ("g",),
        **dict.fromkeys(["ae", "vae", "silva_rodriguez", "f_anogan", "dae"], ("",)),
    }
    assert methods["ae"].overlays == {
        "train": ("configs/train_reconstruction.yaml",),
        "evaluate": ("configs/evaluate_reconstruction.yaml",),
    }
    assert methods["ae"].overrides == {
        "train": {"network_def::width": 16, "max_epochs": 20},
        "evaluate": {"network_def::width": 16},
    }
    assert plan.scores == ("attribution", "input_weighted", "intensity", "equalised")


def test_a_method_brings_its_own_values(write_plan, content):
    content["methods"] = {"ross": {"train_overrides": {"alpha": 2.0}}, "unsup": {"estimators": ["eg"]}, "sup": ["ig"]}
    methods = {method.name: method for method in load_plan(write_plan(content)).methods}
    ross, unsup, sup = (methods[name] for name in ("ross", "unsup", "sup"))
    assert ross.estimators == ("g",) and ross.overrides == {"train": {"alpha": 2.0}, "evaluate": {}}
    assert unsup.estimators == ("eg",) and sup.estimators == ("ig",) and not sup.overrides["train"]


def test_overlays_of_reconstruction_may_be_the_cohorts(write_plan, content):
    content["cohorts"]["tiny"] |= {
        f"{name}_overlays": [f"configs/{name}_reconstruction.yaml", f"configs/{name}_reconstruction_2d.yaml"]
        for name in ("train", "evaluate")
    }
    content["methods"] = {"ae": {"estimators": []}}
    (method,) = load_plan(write_plan(content)).methods
    assert method.estimators == ("",) and method.overlays == {"train": (), "evaluate": ()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"method": ["unsup"]}, "unknown key 'method'; known are cohorts", id="unknown_key"),
        pytest.param(
            {"methods": {"ross": {"estimator": "g"}}}, "method 'ross' has the unknown key 'estimator'", id="method_key"
        ),
        pytest.param(
            {"methods": {"ross": {"overrides": {"seed": 3}}}}, "method 'ross': overrides must not set 'seed'", id="own"
        ),
        pytest.param({"seeds": None}, "must have the key 'seeds'", id="missing_key"),
        pytest.param({"seeds": [True]}, r"seeds must be a list of int, got \[True\]", id="seeds"),
        pytest.param({"seeds": [1, 1]}, r"must not repeat a value, got \[1, 1\]", id="repeated"),
        pytest.param({"methods": ["unsupp"]}, "unknown method 'unsupp'; configs/methods has ae, dae", id="method"),
        pytest.param(
            {"estimators": ["gg"]}, "unknown estimator 'gg'; configs/methods/estimators has eg", id="estimator"
        ),
        pytest.param(
            {"methods": {"unsup": "eg"}}, "unsup must be a list of str, got 'eg'", id="estimators_of_a_method"
        ),
        pytest.param({"methods": "unsup"}, "methods must be a list .* got 'unsup'", id="methods"),
        pytest.param({"scores": ["gc"]}, "unknown score 'gc'; choose from attribution", id="score"),
        pytest.param({"maps": "no"}, "maps must be true or false, got 'no'", id="maps"),
        pytest.param({"cohorts": []}, "must have the key 'cohorts'", id="no_cohort"),
        pytest.param({"cohorts": {"a": {}}}, "cohort 'a' must have either dataset_dir or datalist", id="no_data"),
        pytest.param(
            {"cohorts": {"a": {"dataset_dir": "x", "dims": 2}}},
            "cohort 'a' has the unknown key 'dims'",
            id="cohort_key",
        ),
        pytest.param(
            {"cohorts": {"a": {"dataset_dir": "x", "spatial_dims": 4}}}, "spatial_dims must be 2 or 3, got 4", id="dims"
        ),
        pytest.param({"overrides": {"seed": 3}}, "overrides must not set 'seed'", id="override"),
        pytest.param(
            {"methods": ["unsup", "ae"]},
            r"method 'ae' learns by reconstruction and lacks estimators: \[\], "
            r"train_overlays: \[configs/train_reconstruction.yaml\], "
            r"evaluate_overlays: \[configs/evaluate_reconstruction.yaml\]; map the method to them",
            id="reconstruction",
        ),
        pytest.param(
            {"methods": {"dae": {"estimators": [], "train_overlays": ["configs/train_reconstruction.yaml"]}}},
            r"method 'dae' .* lacks evaluate_overlays: \[configs/evaluate_reconstruction.yaml\]; map",
            id="reconstruction_without_evaluation",
        ),
        pytest.param({"sweep": {"seed": [3]}}, "sweep must not set 'seed'", id="sweep"),
        pytest.param({"agreement": ["EG.EG"]}, r"pairs such as \[EG.EG, NO.EG\], got 'EG.EG'", id="pair"),
        pytest.param({"agreement": [["G.G", "A.G"]]}, "must be TRAINING.INFERENCE, .* got 'A.G'", id="map"),
        pytest.param({"agreement": [["G.G", "G.EG"]]}, "G.EG needs the score 'eg'; add it", id="map_without_score"),
        pytest.param({"agreement": [["G.G", "EG.G"]]}, "EG.G needs the estimator eg", id="map_without_training"),
        pytest.param({"agreement": [["G.G", "NO.G"]]}, "NO.G needs the method no_cons", id="map_without_no_cons"),
        pytest.param({"agreement": [["G.G", "G.G"]], "maps": False}, "got maps: false; set maps: true", id="no_maps"),
    ],
)
def test_wrong_plans(write_plan, content, change, message):
    path = write_plan({key: value for key, value in {**content, **change}.items() if value is not None})
    with pytest.raises(ValueError, match=message) as caught:
        load_plan(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_files_that_do_not_exist(tmp_path, write_plan, content):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml: the plan does not exist"):
        load_plan(tmp_path / "none.yaml")
    content["cohorts"]["tiny"]["overlays"] = ["configs/none.yaml"]
    with pytest.raises(FileNotFoundError, match=r"cohort 'tiny': no such overlay: configs/none\.yaml"):
        load_plan(write_plan(content))
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(ValueError, match=r"broken\.yaml: a plan must be valid YAML, got while parsing"):
        load_plan(tmp_path / "broken.yaml")


@pytest.mark.parametrize("kind", ["cohort", "method", "seed"])
def test_choice_that_the_plan_does_not_have(write_plan, content, kind):
    plan = load_plan(write_plan(content))
    with pytest.raises(ValueError, match=f"the plan has no {kind} 9; choose from"):
        plan.selected(**{f"{kind}s": [9]})
