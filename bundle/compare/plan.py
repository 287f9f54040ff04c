"""A comparison's plan: which cohorts, methods, training attributions, seeds and inference attributions it takes.

A plan is a YAML file, see ``configs/compare``:

- ``cohorts``: name -> ``datalist`` or ``dataset_dir``; ``spatial_dims`` (3, or 2 for slices); ``overlays``,
  ``train_overlays`` and ``evaluate_overlays`` (config files laid over those of train.yaml and evaluate.yaml); and the
  overrides below for this cohort alone.
- ``methods``: list of overlays in ``configs/methods``, each trained with every one of ``estimators``, or a mapping of
  such an overlay to its own list of estimators, or to a mapping with ``estimators`` (``[]`` where there is no
  attribution in its loss, as for ``no_cons``), overlays and overrides as those of a cohort. A method with a network of
  its own has it in ``configs/networks``, which is laid over train.yaml and evaluate.yaml alike. On slices every overlay
  of a method is followed by the one of its name with ``_2d``, where there is one.
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bundle.compare.plan_values import (
    OVERLAYS,
    OVERRIDES,
    ROOT,
    WORKFLOWS,
    check_keys,
    check_overlay,
    check_overrides,
    check_reconstruction,
    list_of,
    mapping_of,
    overlays_of,
    overrides_of,
)
from bundle.conventions import ATTRIBUTION, EQUALISED, INPUT_WEIGHTED, INTENSITY

UNCONSTRAINED = "no_cons"
"""Method without an attribution in its loss."""

SCORES = (ATTRIBUTION, "ig", "eg", "ieg", "grad_cam", INPUT_WEIGHTED, INTENSITY, EQUALISED)
"""Scores that an evaluation can compare, in the order of its tables."""

TRAININGS = {"NO": "", "G": "g", "EG": "eg", "IG": "ig", "IEG": "ieg"}
INFERENCES = {"G": ATTRIBUTION, "EG": "eg", "IG": "ig", "IEG": "ieg", "GC": "grad_cam"}

_REQUIRED = ("cohorts", "methods", "seeds")
_KEYS = (*_REQUIRED, "estimators", "scores", "sweep", "agreement", "maps", *OVERRIDES)
_COHORT_KEYS = ("dataset_dir", "datalist", "spatial_dims", *OVERLAYS, *OVERRIDES)
_METHOD_KEYS = ("estimators", *OVERLAYS, *OVERRIDES)


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
    """A method of a comparison.

    Attributes:
        name: overlay and swept values.
        overlay: its overlay in ``configs/methods``.
        estimators: the training attributions it is trained with; ``""`` where it has none.
        swept: swept values of the training.
        overlays: workflow -> config files that come before its own.
        overrides: workflow -> values of ids.
    """

    name: str
    overlay: str
    estimators: tuple[str, ...]
    swept: dict[str, Any]
    overlays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: Mapping[str, dict[str, Any]] = field(default_factory=dict)

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
    check_keys("the plan", content, _KEYS, _REQUIRED)
    maps = content.get("maps", True)
    if not isinstance(maps, bool):
        raise ValueError(f"maps must be true or false, got {maps!r}")
    seeds = list_of(content, "seeds", int)
    methods = _methods(content)
    scores = _scores(content)
    agreement = tuple(_pair(pair, methods, scores) for pair in content.get("agreement") or [])
    if agreement and not maps:
        raise ValueError("agreement is computed from the maps, got maps: false; set maps: true")
    cohorts = mapping_of(content, "cohorts")
    if not cohorts:
        raise ValueError("cohorts must name at least one cohort, got none")
    plan = Plan(
        tuple(_cohort(name, cohort, content) for name, cohort in cohorts.items()),
        methods,
        tuple(seeds),
        scores,
        agreement,
        maps,
    )
    for cohort, method in itertools.product(plan.cohorts, plan.methods):
        before = {"train": cohort.train_overlays, "evaluate": cohort.evaluate_overlays}
        files = {kind: (*before[kind], *method.overlays[kind]) for kind in WORKFLOWS}
        check_reconstruction(method.overlay, method.estimators, files)
    return plan


def _cohort(name: str, content: Any, plan: Mapping[str, Any]) -> Cohort:
    where = f"cohort {name!r}"
    check_keys(where, content, _COHORT_KEYS)
    if ("datalist" in content) == ("dataset_dir" in content):
        raise ValueError(f"{where} must have either dataset_dir or datalist, got {sorted(content)}")
    datalist = ROOT / (content.get("datalist") or Path(content["dataset_dir"]) / "datalist.json")
    spatial_dims = content.get("spatial_dims", 3)
    if spatial_dims not in (2, 3):
        raise ValueError(f"{where}: spatial_dims must be 2 or 3, got {spatial_dims!r}")
    overlays = {kind: overlays_of(where, content, kind) for kind in WORKFLOWS}
    if spatial_dims == 2:
        overlays = {kind: (f"configs/{kind}_2d.yaml", *files) for kind, files in overlays.items()}
    values = {
        kind: {**overrides_of("the plan", plan, kind), **overrides_of(where, content, kind)} for kind in WORKFLOWS
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
    shared = list_of(content, "estimators", str, ["g"])
    if isinstance(named, list):
        named = dict.fromkeys(list_of(content, "methods", str), shared)
    if not isinstance(named, Mapping) or not named:
        raise ValueError(f"methods must be a list of overlays or map each to its estimators, got {named!r}")
    sweep = {key: list_of(mapping_of(content, "sweep"), key, object) for key in mapping_of(content, "sweep")}
    check_overrides("sweep", sweep)
    return tuple(method for overlay in named for method in _swept_methods(overlay, named, shared, sweep))


def _swept_methods(
    overlay: Any, named: Mapping[str, Any], shared: list[str], sweep: Mapping[str, list[Any]]
) -> Iterator[Method]:
    """Yield a method with every combination of the swept values."""
    check_overlay("method", overlay, ROOT / "configs" / "methods")
    where = f"method {overlay!r}"
    content: Mapping[str, Any] = {}
    if isinstance(named[overlay], Mapping):
        content = named[overlay]
        check_keys(where, content, _METHOD_KEYS)
        estimators = list_of(content, "estimators", str, shared)
    else:
        estimators = list_of(named, overlay, str, shared) or shared
    if overlay == UNCONSTRAINED:
        estimators = []
    for estimator in estimators:
        check_overlay("estimator", estimator, ROOT / "configs" / "methods" / "estimators")
    overlays = {kind: overlays_of(where, content, kind) for kind in WORKFLOWS}
    overrides = {kind: overrides_of(where, content, kind) for kind in WORKFLOWS}
    for values in itertools.product(*sweep.values()):
        swept = dict(zip(sweep, values, strict=True))
        suffix = "@" + ",".join(f"{key}={_short(value)}" for key, value in swept.items()) if swept else ""
        yield Method(f"{overlay}{suffix}", overlay, tuple(estimators) or ("",), swept, overlays, overrides)


def _scores(content: Mapping[str, Any]) -> tuple[str, ...]:
    asked = {ATTRIBUTION, INTENSITY, *list_of(content, "scores", str, [])}
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


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
