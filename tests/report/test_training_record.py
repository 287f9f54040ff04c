from __future__ import annotations

import hashlib
import json

import pytest
import torch

from bundle.report.training_record import training_record

COMMAND = "python -m monai.bundle run --config_file configs/train.yaml --dataset_dir data/cohort"


@pytest.fixture
def folders(tmp_path):
    """A run and its evaluation, with the files that a record is made of and nothing else."""
    data, run, evaluation = tmp_path / "data", tmp_path / "run", tmp_path / "evaluation"
    for folder in (data, run, evaluation):
        folder.mkdir()
    datalist = {"name": "toy", "description": "Two balls.", "training": [{}, {}], "validation": [{}]}
    (data / "datalist.json").write_text(json.dumps(datalist))
    config = {
        "imports": ["$import os"],
        "bundle_root": ".",
        "dataset_dir": str(data),
        "datalist": "$os.path.join(@dataset_dir, 'datalist.json')",
        "output_dir": str(run),
        "model_file": "$os.path.join(@output_dir, 'model.pt')",
        "alpha": 3.0,
        "validate": {"key_metric": {"val_constrained_accuracy": "$@accuracy"}},
    }
    (run / "config.json").write_text(json.dumps(config))
    torch.save({"weight": torch.ones(2)}, run / "model.pt")
    state = {
        "settings": {"seed": 4, "batch_size": 2},
        "versions": {"python": "3.12.1", "torch": "2.9.0", "monai": "1.6.0"},
        "stopped": True,
        "states": {"trainer": {"iteration": 21, "epoch_length": 3}, "best_model": {"best": 0.75}},
    }
    torch.save(state, run / "training_state.pt")
    sha256 = hashlib.sha256((run / "model.pt").read_bytes()).hexdigest()
    content = {"model_sha256": sha256, "classification": {"tpr": 1.0}, "subjects": [{"subject": "a"}]}
    (evaluation / "evaluation.json").write_text(json.dumps(content))
    return run, evaluation


def test_record(folders, tmp_path):
    record = training_record(*folders, command=COMMAND)
    sha256 = hashlib.sha256((folders[0] / "model.pt").read_bytes()).hexdigest()
    assert record == {
        "statement": "Trained on synthetic images only; not for clinical use.",
        "command": COMMAND,
        "settings": {"seed": 4, "batch_size": 2},
        "versions": {"python": "3.12.1", "torch": "2.9.0", "monai": "1.6.0"},
        "data": {
            "name": "toy",
            "description": "Two balls.",
            "datalist_sha256": hashlib.sha256((tmp_path / "data" / "datalist.json").read_bytes()).hexdigest(),
            "subjects": {"training": 2, "validation": 1},
        },
        "epochs": 7,
        "stopped_early": True,
        "best_validation_score": {"metric": "val_constrained_accuracy", "value": 0.75},
        "model_sha256": sha256,
        "evaluation": {"model_sha256": sha256, "classification": {"tpr": 1.0}},
        "config": {
            "imports": ["$import os"],
            "alpha": 3.0,
            "validate": {"key_metric": {"val_constrained_accuracy": "$@accuracy"}},
        },
    }
    assert str(tmp_path) not in json.dumps(record)


def test_evaluation_of_other_weights(folders):
    torch.save({"weight": torch.zeros(2)}, folders[0] / "model.pt")
    sha256 = hashlib.sha256((folders[0] / "model.pt").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=rf"evaluation\.json: .* sha256 {sha256[:12]}, got .*; evaluate these weights"):
        training_record(*folders)


@pytest.mark.parametrize("name", ["config.json", "training_state.pt", "model.pt"])
def test_missing_file_of_the_run(folders, name):
    (folders[0] / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"run/{name}: the file does not exist; run configs/train\.yaml"):
        training_record(*folders)


def test_missing_evaluation_and_data(folders, tmp_path):
    (tmp_path / "data" / "datalist.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"datalist\.json: the file does not exist; make the cohort again"):
        training_record(*folders)
    (folders[1] / "evaluation.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"evaluation\.json: the file does not exist; run configs/evaluate"):
        training_record(*folders)


@pytest.mark.parametrize("content", [b"broken", b"{"], ids=["text", "half"])
def test_broken_files_are_named(folders, content):
    (folders[0] / "training_state.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"training_state\.pt: not a training state \("):
        training_record(*folders)
    (folders[0] / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json: not valid JSON \("):
        training_record(*folders)


def test_weights_in_place_of_the_state(folders):
    torch.save({"weight": torch.ones(2)}, folders[0] / "training_state.pt")
    with pytest.raises(ValueError, match=r"training_state\.pt: not a training state, without 'settings'"):
        training_record(*folders)


@pytest.mark.parametrize("word", ["/data/cohort", "--output_dir=/runs/a"])
def test_command_with_a_path_of_one_machine(folders, word):
    with pytest.raises(ValueError, match=rf"must hold relative paths, got {word}"):
        training_record(*folders, command=f"{COMMAND} {word}")
