"""Misspelt options of the workflows, and the names that the workflows themselves have."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from bundle.option_names import check_option_names

CONFIGS = Path(__file__).parents[1] / "configs"
RECONSTRUCTION = ["train.yaml", "train_reconstruction.yaml"]
RECONSTRUCTION_METHODS = sorted(path.stem for path in (CONFIGS / "networks").glob("*.yaml"))
METHODS = sorted({path.stem for path in (CONFIGS / "methods").glob("*.yaml")} - {*RECONSTRUCTION_METHODS, "sup_2d"})
WORKFLOWS = [
    ["train.yaml"],
    ["train.yaml", "train_2d.yaml"],
    ["train.yaml", "gpu_cache.yaml", "multi_gpu_train.yaml"],
    *(["train.yaml", f"methods/{name}.yaml"] for name in METHODS),
    *([*RECONSTRUCTION, f"networks/{name}.yaml", f"methods/{name}.yaml"] for name in RECONSTRUCTION_METHODS),
    ["inference.yaml"],
    ["inference_2d.yaml"],
    ["evaluate.yaml"],
    ["evaluate.yaml", "evaluate_2d.yaml", "attributions.yaml"],
    ["evaluate.yaml", "deviation.yaml", "audit.yaml"],
    ["evaluate.yaml", "evaluate_reconstruction.yaml", "networks/vae.yaml", "multi_gpu_evaluate.yaml"],
]


def check(config):
    parser = ConfigParser({"imports": ["$from bundle.option_names import check_option_names"], **config})
    parser["check"] = "$check_option_names()"
    parser.get_parsed_content("check")


@pytest.mark.parametrize("files", WORKFLOWS, ids=lambda files: "+".join(files))
def test_names_of_the_workflows_are_no_misspellings(files):
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / name) for name in files])
    assert "$check_option_names()" in parser["initialize"]
    config = parser.get()
    check({name: value for name, value in config.items() if name not in ("imports", "_meta_")})


def test_a_misspelt_option_is_named_with_the_right_one():
    config = {"max_epochs": 2, "max_epoch": 10, "alpha": 1.0, "aplha": 2.0, "trainer": "$@max_epochs + @alpha"}
    with pytest.raises(SystemExit) as error:
        check(config)
    lines = str(error.value).splitlines()
    assert [line.split(";")[1] for line in lines] == [" did you mean --alpha?", " did you mean --max_epochs?"]
    assert "aplha: no part of the config uses" in lines[0] and "max_epoch: " in lines[1]


def test_outside_a_config():
    with pytest.raises(ValueError, match="must be called from a config"):
        check_option_names()
