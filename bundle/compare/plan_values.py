"""Read values of a plan file, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
"""Folder of the bundle, in which its workflows run."""

WORKFLOWS = ("train", "evaluate")
OVERRIDES = ("overrides", *(f"{workflow}_overrides" for workflow in WORKFLOWS))
OVERLAYS = ("overlays", *(f"{workflow}_overlays" for workflow in WORKFLOWS))

_RUNNERS_OWN = ("seed", "dataset_dir", "datalist", "output_dir", "model_file", "maps_dir", "scores")


def check_keys(where: str, content: Any, known: Sequence[str], required: Sequence[str] = ()) -> None:
    """Check that some content is a mapping with known keys.

    Raises:
        ValueError: When it is not, or a required key is missing or empty.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} must map keys to values, got {type(content).__name__}")
    for key in content:
        if key not in known:
            raise ValueError(f"{where} has the unknown key {key!r}; known are {', '.join(known)}")
    for key in required:
        if not content.get(key):
            raise ValueError(f"{where} must have the key {key!r}, which is missing or empty")


def check_overlay(kind: str, name: Any, folder: Path) -> None:
    """Check that a folder has an overlay of this name.

    Raises:
        ValueError: When it has not.
    """
    if not isinstance(name, str) or not (folder / f"{name}.yaml").is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ValueError(f"unknown {kind} {name!r}; {folder.relative_to(ROOT)} has {known}")


def check_reconstruction(method: str, estimators: Sequence[str], files: Mapping[str, Sequence[str]]) -> None:
    """Check that a plan names what a method that learns by reconstruction needs.

    Such a method is known by the loss of healthy validation images that its overlay sets.

    Args:
        method: its overlay in ``configs/methods``.
        estimators: its training attributions.
        files: workflow -> config files that come before the method's own.

    Raises:
        ValueError: When the plan gives it an estimator, or lacks an overlay.
    """
    content = yaml.safe_load((ROOT / "configs" / "methods" / f"{method}.yaml").read_text(encoding="utf-8"))
    if "validate::loss" not in content:
        return
    overlays = {workflow: f"configs/{workflow}_reconstruction.yaml" for workflow in WORKFLOWS}
    lacking = ["estimators: []"] if any(estimators) else []
    lacking += [f"{name}_overlays: [{file}]" for name, file in overlays.items() if file not in files[name]]
    if lacking:
        raise ValueError(
            f"method {method!r} learns by reconstruction and lacks {', '.join(lacking)}; "
            "map the method to them, as in configs/compare/table_5.yaml"
        )


def overlays_of(where: str, content: Mapping[str, Any], workflow: str) -> tuple[str, ...]:
    """Return the config files that a cohort or a method lays over a workflow.

    Raises:
        FileNotFoundError: When one of them does not exist.
    """
    files = [*list_of(content, "overlays", str, []), *list_of(content, f"{workflow}_overlays", str, [])]
    for file in files:
        if not (ROOT / file).is_file():
            raise FileNotFoundError(f"{where}: no such overlay: {file}; paths are relative to the bundle's folder")
    return tuple(files)


def overrides_of(where: str, content: Mapping[str, Any], workflow: str) -> dict[str, Any]:
    """Return the values of ids that a plan, a cohort or a method sets in a workflow.

    Raises:
        ValueError: When it sets what the comparison sets itself.
    """
    values: dict[str, Any] = {}
    for key in ("overrides", f"{workflow}_overrides"):
        found = {str(name).replace("#", "::"): value for name, value in mapping_of(content, key).items()}
        check_overrides(f"{where}: {key}", found)
        values |= found
    return values


def check_overrides(where: str, values: Mapping[str, Any]) -> None:
    """Check that no value is one that the comparison sets itself.

    Raises:
        ValueError: When one is.
    """
    for name in values:
        if name in _RUNNERS_OWN:
            raise ValueError(f"{where} must not set {name!r}, which the comparison sets itself; remove it")


def mapping_of(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping of a plan; an empty one where there is none.

    Raises:
        ValueError: When it is no mapping.
    """
    value = content.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{key} must map names to values, got {value!r}")
    return dict(value or {})


def list_of(content: Mapping[str, Any], key: str, kind: type, default: list[Any] | None = None) -> list[Any]:
    """Return a list of a plan, whose values differ.

    Args:
        content: mapping with the list.
        key: its key.
        kind: type of its values.
        default: list where there is none; without one the list must not be empty.

    Raises:
        ValueError: When it is no such list.
    """
    value = content.get(key, default)
    if not isinstance(value, list) or not all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
        raise ValueError(f"{key} must be a list of {kind.__name__}, got {value!r}")
    if default is None and not value:
        raise ValueError(f"{key} must not be empty")
    if len({str(item) for item in value}) < len(value):
        raise ValueError(f"{key} must not repeat a value, got {value!r}")
    return value
