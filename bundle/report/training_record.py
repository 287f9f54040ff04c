"""The record that ships with trained weights: how they were made, from what, and what they reach."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from bundle.conventions import TEST, TRAINING, VALIDATION
from bundle.data.files import file_sha256
from bundle.handlers.saving import load_safely

STATEMENT = "Trained on synthetic images only; not for clinical use."

_PATHS = (
    "bundle_root",
    "dataset_dir",
    "datalist",
    "output_dir",
    "model_file",
    "initial_model",
)  # of the machine that trained


def training_record(
    run_dir: Path, evaluation_dir: Path, *, command: str | None = None, statement: str = STATEMENT
) -> dict[str, Any]:
    """Gather the record from the folders that a training and its evaluation wrote.

    Args:
        run_dir: output folder of configs/train.yaml.
        evaluation_dir: output folder of configs/evaluate.yaml, run with the training's model.pt.
        command: command line that started the training, with relative paths.
        statement: what a user of the weights must know first.

    Returns:
        What goes into the JSON file. The config is complete except for paths, the evaluation except for single
        subjects.

    Raises:
        FileNotFoundError: When a file is missing.
        ValueError: When a file cannot be read, the evaluation is one of other weights, or the command holds a path of
            one machine.
    """
    absolute = [word for word in shlex.split(command or "") if Path(word.split("=")[-1]).is_absolute()]
    if absolute:
        raise ValueError(f"the command must hold relative paths, got {absolute[0]}; write it as others can repeat it")
    config = _json(run_dir / "config.json", "run configs/train.yaml, which writes it")
    evaluation = _json(evaluation_dir / "evaluation.json", "run configs/evaluate.yaml")
    state = _training_state(run_dir / "training_state.pt")
    model_file = _existing(run_dir / "model.pt", "run configs/train.yaml")
    model_sha256 = file_sha256(model_file)
    if evaluation.get("model_sha256") != model_sha256:
        raise ValueError(
            f"{evaluation_dir / 'evaluation.json'}: the evaluation must be one of {model_file}, sha256 "
            f"{model_sha256[:12]}, got {str(evaluation.get('model_sha256'))[:12]}; evaluate these weights"
        )
    parser = ConfigParser(config)
    return {
        "statement": statement,
        "command": command,
        "settings": state["settings"],
        "versions": state["versions"],
        "data": _data(Path(parser.get_parsed_content("datalist"))),
        "epochs": state["states"]["trainer"]["iteration"] // state["states"]["trainer"]["epoch_length"],
        "stopped_early": state["stopped"],
        "best_validation_score": {
            "metric": next(iter(config["validate"]["key_metric"])),
            "value": state["states"]["best_model"]["best"],
        },
        "model_sha256": model_sha256,
        "evaluation": {key: value for key, value in evaluation.items() if key != "subjects"},
        "config": {key: value for key, value in config.items() if key not in _PATHS},
    }


def _data(datalist: Path) -> dict[str, Any]:
    content = _json(datalist, "make the cohort again, or train again where it now is")
    return {
        "name": content.get("name"),
        "description": content.get("description"),
        "datalist_sha256": file_sha256(datalist),
        "subjects": {name: len(content[name]) for name in (TRAINING, VALIDATION, TEST) if name in content},
    }


def _training_state(path: Path) -> dict[str, Any]:
    try:
        state = load_safely(_existing(path, "run configs/train.yaml"))
        missing = [key for key in ("settings", "versions", "stopped", "states") if key not in state]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a training state ({error}); train again") from error
    if missing:
        raise ValueError(f"{path}: not a training state, without {missing[0]!r}; train again")
    return dict(state)


def _json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        return dict(json.loads(_existing(path, remedy).read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); {remedy}") from error


def _existing(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the file does not exist; {remedy}")
    return path
