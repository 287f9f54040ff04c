"""A comparison's plan: which cohorts, methods, training attributions, seeds and inference attributions it takes.

A plan is a YAML file, see ``configs/compare``:

- ``cohorts``: name -> ``datalist`` or ``dataset_dir``; ``spatial_dims`` (3, or 2 for slices); ``overlays``,
  ``train_overlays`` and ``evaluate_overlays`` (config files laid over those of train.yaml and evaluate.yaml); and the
  overrides below for this cohort alone.
- ``methods``: list of overlays in ``configs/methods``, each trained with every one of ``estimators``, or a mapping of
  such an overlay to its own list of estimators. ``no_cons`` has no attribution in its loss and takes none.
- ``estimators``: overlays in ``configs/methods/estimators``.
- ``seeds``: of the trainings.
- ``scores``: maps to evaluate beside the gradient and the intensity.
- ``sweep``: id of train.yaml -> values; every method is trained with each, as ``unsup@alpha=0.5``.
- ``agreement``: pairs of maps to correlate, each TRAINING.INFERENCE, such as ``[EG.EG, NO.EG]``.
- ``maps``: whether the maps are kept, which agreement, Dice over threshold and histograms need.
- ``overrides``, ``train_overrides``, ``evaluate_overrides``: values of ids, as on the command line.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bundle.conventions import ATTRIBUTION, INPUT_WEIGHTED, INTENSITY

ROOT = Path(__file__).resolve().parents[2]
"""Folder of the bundle, in which its workflows run."""

UNCONSTRAINED = "no_cons"
"""Method without an attribution in its loss."""

SCORES = (ATTRIBUTION, "ig", "eg", "ieg", "grad_cam", INPUT_WEIGHTED, INTENSITY)
"""Scores that an evaluation can compare, in the order of its tables."""

TRAININGS = {"NO": "", "G": "g", "EG": "eg", "IG": "ig", "IEG": "ieg"}
INFERENCES = {"G": ATTRIBUTION, "EG": "eg", "IG": "ig", "IEG": "ieg", "GC": "grad_cam"}

_OVERRIDES = ("overrides", "train_overrides", "evaluate_overrides")
_OVERLAYS = ("overlays", "train_overlays", "evaluate_overlays")
_REQUIRED = ("cohorts", "methods", "seeds")
_KEYS = (*_REQUIRED, "estimators", "scores", "sweep", "agreement", "maps", *_OVERRIDES)
_COHORT_KEYS = ("dataset_dir", "datalist", "spatial_dims", *_OVERLAYS, *_OVERRIDES)
_RUNNERS_OWN = ("seed", "dataset_dir", "datalist", "output_dir", "model_file", "maps_dir", "scores")


@dataclass(frozen=True)
class Cohort:
    """Data of a comparison, and what its workflows need."""

    name: str
    datalist: Path
    spatial_dims: int
    train_overlays: tuple[str, ...]
    evaluate_overlays: tuple[str, ...]
    train_overrides: dict[str, Any]
    evaluate_overrides: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A method of a comparison: an overlay, the training attributions it is trained with, and swept values."""

    name: str
    overlay: str
    estimators: tuple[str, ...]
    overrides: dict[str, Any]

    @property
    def variant(self) -> str:
        """The swept values, as they stand in the name."""
        return self.name.removeprefix(self.overlay)


@dataclass(frozen=True)
class Map:
    """A map in the paper's notation TRAINING.INFERENCE."""

    name: str
    estimator: str
    score: str


@dataclass(frozen=True)
class Plan:
    """What a plan file says, checked and complete."""

    cohorts: tuple[Cohort, ...]
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    scores: tuple[str, ...]
    agreement: tuple[tuple[Map, Map], ...]
    maps: bool

    def selected(self, cohorts: Sequence[str] = (), methods: Sequence[str] = (), seeds: Sequence[int] = ()) -> Plan:
        """Return the part of the plan with these cohorts, methods and seeds; an empty choice takes all.

        Raises:
            ValueError: When the plan has no such cohort, method or seed.
        """
        known = {"cohort": [c.name for c in self.cohorts], "method": [m.name for m in self.methods]}
        known["method"] += [m.overlay for m in self.methods]
        for kind, wanted, there in (
            ("cohort", cohorts, known["cohort"]),
            ("method", methods, known["method"]),
            ("seed", seeds, list(self.seeds)),
        ):
            for name in wanted:
                if name not in there:
                    choices = ", ".join(dict.fromkeys(map(str, there)))
                    raise ValueError(f"the plan has no {kind} {name!r}; choose from {choices}")
        return replace(
            self,
            cohorts=tuple(c for c in self.cohorts if not cohorts or c.name in cohorts),
            methods=tuple(m for m in self.methods if not methods or m.name in methods or m.overlay in methods),
            seeds=tuple(s for s in self.seeds if not seeds or s in seeds),
        )


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan file. Relative paths in it are relative to the bundle's folder.

    Raises:
        FileNotFoundError: When the file or a config that it names does not exist.
        ValueError: When the file is no plan.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the plan does not exist; check the path, or see configs/compare")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: a plan must be valid YAML, got {' '.join(str(error).split())}") from error
    try:
        return _plan(content)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _plan(content: Any) -> Plan:
    _check_keys("the plan", content, _KEYS, _REQUIRED)
    maps = content.get("maps", True)
    if not isinstance(maps, bool):
        raise ValueError(f"maps must be true or false, got {maps!r}")
    seeds = _list(content, "seeds", int)
    methods = _methods(content)
    scores = _scores(content)
    agreement = tuple(_pair(pair, methods, scores) for pair in content.get("agreement") or [])
    if agreement and not maps:
        raise ValueError("agreement is computed from the maps, got maps: false; set maps: true")
    cohorts = _mapping(content, "cohorts")
    if not cohorts:
        raise ValueError("cohorts must name at least one cohort, got none")
    return Plan(
        tuple(_cohort(name, cohort, content) for name, cohort in cohorts.items()),
        methods,
        tuple(seeds),
        scores,
        agreement,
        maps,
    )


def _cohort(name: str, content: Any, plan: Mapping[str, Any]) -> Cohort:
    where = f"cohort {name!r}"
    _check_keys(where, content, _COHORT_KEYS)
    if ("datalist" in content) == ("dataset_dir" in content):
        raise ValueError(f"{where} must have either dataset_dir or datalist, got {sorted(content)}")
    datalist = ROOT / (content.get("datalist") or Path(content["dataset_dir"]) / "datalist.json")
    spatial_dims = content.get("spatial_dims", 3)
    if spatial_dims not in (2, 3):
        raise ValueError(f"{where}: spatial_dims must be 2 or 3, got {spatial_dims!r}")
    suffix = "_2d" if spatial_dims == 2 else ""
    overlays = {
        kind: tuple(
            [f"configs/{kind}{suffix}.yaml"] * bool(suffix)
            + _list(content, "overlays", str, [])
            + _list(content, f"{kind}_overlays", str, [])
        )
        for kind in ("train", "evaluate")
    }
    for overlay in (*overlays["train"], *overlays["evaluate"]):
        if not (ROOT / overlay).is_file():
            raise FileNotFoundError(f"{where}: no such overlay: {overlay}; paths are relative to the bundle's folder")
    values = {
        kind: {
            **_overrides("the plan", plan, "overrides"),
            **_overrides("the plan", plan, f"{kind}_overrides"),
            **_overrides(where, content, "overrides"),
            **_overrides(where, content, f"{kind}_overrides"),
        }
        for kind in ("train", "evaluate")
    }
    return Cohort(
        str(name),
        datalist.resolve(),
        spatial_dims,
        overlays["train"],
        overlays["evaluate"],
        values["train"],
        values["evaluate"],
    )


def _methods(content: Mapping[str, Any]) -> tuple[Method, ...]:
    named = content["methods"]
    shared = _list(content, "estimators", str, ["g"])
    if isinstance(named, list):
        named = dict.fromkeys(_list(content, "methods", str), shared)
    if not isinstance(named, Mapping) or not named:
        raise ValueError(f"methods must be a list of overlays or map each to its estimators, got {named!r}")
    sweep = {key: _list(_mapping(content, "sweep"), key, object) for key in _mapping(content, "sweep")}
    _check_overrides("sweep", sweep)
    methods = []
    for overlay in named:
        _check_overlay("method", overlay, ROOT / "configs" / "methods")
        estimators = () if overlay == UNCONSTRAINED else tuple(_list(named, overlay, str, shared) or shared)
        for estimator in estimators:
            _check_overlay("estimator", estimator, ROOT / "configs" / "methods" / "estimators")
        for values in itertools.product(*sweep.values()):
            overrides = dict(zip(sweep, values, strict=True))
            suffix = "@" + ",".join(f"{key}={_short(value)}" for key, value in overrides.items()) if overrides else ""
            methods.append(Method(f"{overlay}{suffix}", overlay, estimators or ("",), overrides))
    return tuple(methods)


def _scores(content: Mapping[str, Any]) -> tuple[str, ...]:
    asked = {ATTRIBUTION, INTENSITY, *_list(content, "scores", str, [])}
    unknown = sorted(asked - set(SCORES))
    if unknown:
        raise ValueError(f"unknown score {unknown[0]!r}; choose from {', '.join(SCORES)}")
    return tuple(name for name in SCORES if name in asked)


def _pair(pair: Any, methods: Sequence[Method], scores: Sequence[str]) -> tuple[Map, Map]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"agreement must list pairs such as [EG.EG, NO.EG], got {pair!r}")
    first, second = (_map(name, scores) for name in pair)
    trained = {estimator for method in methods for estimator in method.estimators}
    for chosen in (first, second):
        if chosen.estimator not in trained:
            lacking = f"estimator {chosen.estimator}" if chosen.estimator else f"method {UNCONSTRAINED}"
            raise ValueError(f"agreement of {chosen.name} needs the {lacking}, which the plan does not train; add it")
    return first, second


def _map(name: Any, scores: Sequence[str]) -> Map:
    training, _, inference = str(name).partition(".")
    if training not in TRAININGS or inference not in INFERENCES:
        raise ValueError(
            f"a map must be TRAINING.INFERENCE, of {', '.join(TRAININGS)} and {', '.join(INFERENCES)}, got {name!r}"
        )
    if INFERENCES[inference] not in scores:
        raise ValueError(f"agreement of {name} needs the score {INFERENCES[inference]!r}; add it to scores")
    return Map(str(name), TRAININGS[training], INFERENCES[inference])


def _check_keys(where: str, content: Any, known: Sequence[str], required: Sequence[str] = ()) -> None:
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} must map keys to values, got {type(content).__name__}")
    for key in content:
        if key not in known:
            raise ValueError(f"{where} has the unknown key {key!r}; known are {', '.join(known)}")
    for key in required:
        if not content.get(key):
            raise ValueError(f"{where} must have the key {key!r}, which is missing or empty")


def _check_overlay(kind: str, name: Any, folder: Path) -> None:
    if not isinstance(name, str) or not (folder / f"{name}.yaml").is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ValueError(f"unknown {kind} {name!r}; {folder.relative_to(ROOT)} has {known}")


def _overrides(where: str, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    values = {str(name).replace("#", "::"): value for name, value in _mapping(content, key).items()}
    _check_overrides(f"{where}: {key}", values)
    return values


def _check_overrides(where: str, values: Mapping[str, Any]) -> None:
    for name in values:
        if name in _RUNNERS_OWN:
            raise ValueError(f"{where} must not set {name!r}, which the comparison sets itself; remove it")


def _mapping(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{key} must map names to values, got {value!r}")
    return dict(value or {})


def _list(content: Mapping[str, Any], key: str, kind: type, default: list[Any] | None = None) -> list[Any]:
    value = content.get(key, default)
    if not isinstance(value, list) or not all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
        raise ValueError(f"{key} must be a list of {kind.__name__}, got {value!r}")
    if default is None and not value:
        raise ValueError(f"{key} must not be empty")
    if len({str(item) for item in value}) < len(value):
        raise ValueError(f"{key} must not repeat a value, got {value!r}")
    return value


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
