"""Cells: the trainings and evaluations of a plan, each with its command, its folder and a hash of all it depends on.

A cell's folder is named by the hash of the parsed config files, the overrides, the data, the code that the configs
name (:py:mod:`bundle.compare.code`) and the versions of torch and MONAI; an evaluation's also by its training's. So a
cell that two plans share is run once, and one whose inputs changed is run anew. Folders, comments in configs and the
machine do not count.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import monai
import torch
from monai.bundle import ConfigParser

from bundle.compare.code import PACKAGE, code_fingerprint
from bundle.compare.data import FileHashes, data_fingerprint
from bundle.compare.plan import Cohort, Method, Plan
from bundle.compare.plan_values import ROOT
from bundle.conventions import EQUALISED, TEST, TRAINING, VALIDATION
from bundle.data.files import write_text_atomically

TRAIN, EVALUATE = "train", "evaluate"
_EXTRA = ("ig", "eg", "ieg", "grad_cam")  # of configs/attributions.yaml
_MARKER = "complete.json"


@dataclass(frozen=True)
class Cell:
    """One training or one evaluation.

    Attributes:
        kind: ``"train"`` or ``"evaluate"``.
        cohort, method, estimator, seed: what it is.
        folder: where it writes, named by its hash.
        command: the command line that runs it.
    """

    kind: str
    cohort: str
    method: str
    estimator: str
    seed: int
    folder: Path
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """The cell in words."""
        trained = f"{self.method} ({self.estimator})" if self.estimator else self.method
        return f"{self.kind} {trained}, {self.cohort}, seed {self.seed}"

    @property
    def log(self) -> Path:
        """File of the output of its command."""
        return self.folder / "log.txt"

    def is_complete(self) -> bool:
        """Say whether it has been run to its end."""
        return (self.folder / _MARKER).is_file()

    def describe(self, name: str = "cell.json", **facts: Any) -> None:
        """Write a file into its folder that says what it is."""
        record = {
            "kind": self.kind,
            "cohort": self.cohort,
            "method": self.method,
            "estimator": self.estimator,
            "seed": self.seed,
            "command": list(self.command),
            **facts,
        }
        write_text_atomically(self.folder / name, json.dumps(record, indent=4) + "\n")

    def mark_complete(self, seconds: float) -> None:
        """Write the marker, the last file of a cell."""
        self.describe(_MARKER, seconds=round(seconds, 1))


@dataclass(frozen=True)
class Combination:
    """One training and its evaluation."""

    training: Cell
    evaluation: Cell

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """Both, in the order in which they run."""
        return self.training, self.evaluation


def make_combinations(
    plan: Plan, work_dir: Path, hashes: FileHashes | None = None, package: Path = PACKAGE
) -> list[Combination]:
    """Return every training and evaluation of a plan.

    Args:
        plan: the plan.
        work_dir: folder of all cells.
        hashes: hashes of data files.
        package: folder of the package whose code is run.

    Raises:
        FileNotFoundError: When a datalist or a file that it names does not exist.
        ValueError: When a datalist has problems.
    """
    hashes = hashes or FileHashes()
    for cohort in plan.cohorts:
        if not cohort.datalist.is_file():
            raise FileNotFoundError(
                f"cohort {cohort.name!r}: no such datalist: {cohort.datalist}; make it with make_cohort, make_slices "
                "or scripts.cohort, or leave the cohort out"
            )
    made = []
    for cohort in plan.cohorts:
        data = {
            TRAIN: data_fingerprint(cohort.datalist, (TRAINING, VALIDATION), hashes),
            EVALUATE: data_fingerprint(cohort.datalist, (VALIDATION, TEST), hashes),
        }
        for method in plan.methods:
            for estimator in method.estimators:
                for seed in plan.seeds:
                    made.append(_combination(plan, cohort, method, estimator, seed, work_dir, data, package))
    return made


def _combination(
    plan: Plan,
    cohort: Cohort,
    method: Method,
    estimator: str,
    seed: int,
    work_dir: Path,
    data: Mapping[str, str],
    package: Path,
) -> Combination:
    what = (cohort.name, method.name, estimator, seed)
    configs = ["configs/train.yaml", *cohort.train_overlays, *_method_files(method, TRAIN, cohort.spatial_dims)]
    configs += [f"configs/methods/estimators/{estimator}.yaml"] if estimator else []
    overrides = {"seed": seed, **cohort.train_overrides, **method.overrides.get(TRAIN, {}), **method.swept}
    key = _key(TRAIN, configs, overrides, data[TRAIN], package)
    folder = work_dir / "cells" / key
    paths: dict[str, Any] = {"datalist": cohort.datalist, "output_dir": folder}
    training = Cell(TRAIN, *what, folder, _command(configs, {**overrides, **paths}))

    configs, overrides = _evaluation_config(plan.scores, cohort, method)
    key = _key(EVALUATE, configs, {**overrides, "maps": plan.maps, "training": key}, data[EVALUATE], package)
    folder = work_dir / "cells" / key
    paths = {"datalist": cohort.datalist, "output_dir": folder, "model_file": training.folder / "model.pt"}
    if plan.maps:
        paths["maps_dir"] = folder / "maps"
    return Combination(training, Cell(EVALUATE, *what, folder, _command(configs, {**overrides, **paths})))


def _method_files(method: Method, workflow: str, spatial_dims: int) -> list[str]:
    """Return the files of a method: what it brings along, its network, its overlay; and theirs for slices."""
    files = list(method.overlays.get(workflow, ()))
    network = f"configs/networks/{method.overlay}.yaml"
    files += [network] if (ROOT / network).is_file() else []
    files += [f"configs/methods/{method.overlay}.yaml"] if workflow == TRAIN else []
    if spatial_dims == 2:
        with_flat = [[file, file.removesuffix(".yaml") + "_2d.yaml"] for file in files]
        files = [file for name, flat in with_flat for file in (name, flat) if file == name or (ROOT / flat).is_file()]
    return files


def _evaluation_config(scores: Sequence[str], cohort: Cohort, method: Method) -> tuple[list[str], dict[str, Any]]:
    overrides = {"scores": list(scores), **cohort.evaluate_overrides, **method.overrides.get(EVALUATE, {})}
    configs = ["configs/evaluate.yaml"]
    if set(scores) & set(_EXTRA):  # before the cohort's, because evaluate_2d.yaml replaces the postprocessing
        configs.append("configs/attributions.yaml")
        overrides |= {f"attributions::{name}::_disabled_": True for name in _EXTRA if name not in scores}
    configs += [*cohort.evaluate_overlays, *_method_files(method, EVALUATE, cohort.spatial_dims)]
    if EQUALISED in scores:  # after the cohort's, because evaluate_2d.yaml replaces the preprocessing
        configs.append("configs/equalised.yaml")
    return configs, overrides


def _command(configs: Sequence[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    files = "[" + ",".join(f"'{file}'" for file in configs) + "]"
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files]
    for name, value in values.items():
        command += [f"--{name.replace('::', '#')}", value if isinstance(value, str) else _literal(value)]
    return tuple(command)


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, Path) else repr(value)


def _key(kind: str, configs: Sequence[str], overrides: Mapping[str, Any], data: str, package: Path) -> str:
    contents = [_content(ROOT / file) for file in configs]
    record = {
        "kind": kind,
        "configs": contents,
        "overrides": overrides,
        "data": data,
        "code": code_fingerprint(contents, package),
        "versions": [str(torch.__version__).partition("+")[0], monai.__version__],
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _content(path: Path) -> str:
    """Return a config file's content without comments and layout."""
    return json.dumps(ConfigParser.load_config_file(path), sort_keys=True)
