"""Records of what was made from which files, and whether that still holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bundle import __version__
from bundle.data.dicom.files import dicom_files
from bundle.data.files import file_sha256
from bundle.preprocessing.brain_extraction import PACKAGES
from bundle.preprocessing.inputs import Subject
from bundle.preprocessing.settings import Settings

PIPELINE_VERSION = 1  # raised when the same inputs and parameters give another result

_PACKAGES = ("SimpleITK", "nibabel", "numpy", "scipy", "nilearn", "torch", "dask", "distributed")


def describe_inputs(subject: Subject, before: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return path, size, time of change and SHA-256 of every input file, of a DICOM folder that of all its files.

    Args:
        subject: the subject.
        before: what this returned earlier; a file whose size and time are the same is not read again.

    Raises:
        FileNotFoundError: When a file does not exist.
    """
    described: dict[str, dict[str, Any]] = {}
    for kind, path in subject.files.items():
        files = dicom_files(Path(path)) if Path(path).is_dir() else [Path(path)]
        if not all(file.is_file() for file in files):
            raise FileNotFoundError(f"{path}: the file does not exist; check the path")
        states = [file.stat() for file in files]
        size, changed = sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)
        facts = {"path": path, "bytes": size, "modified_ns": changed}
        known = (before or {}).get(kind, {})
        same = all(known.get(key) == value for key, value in facts.items())
        described[kind] = {**facts, "sha256": known["sha256"] if same and "sha256" in known else _sha256(files)}
    return described


def _sha256(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or of the hashes of several in whichever order."""
    hashes = sorted(file_sha256(file) for file in files)
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def fingerprint(subject: Subject, settings: Settings, inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a hash of all that the result depends on: contents of the files, facts and parameters.

    Args:
        subject: the subject.
        settings: parameters.
        inputs: what `describe_inputs` returned.
    """
    content = {
        "pipeline_version": PIPELINE_VERSION,
        "files": {kind: facts["sha256"] for kind, facts in inputs.items()},
        "facts": subject.facts,
        "section": subject.section,
        "parameters": asdict(settings),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the version of this package and of those that results may depend on, where they are installed."""
    found = {"bundle": __version__, "pipeline": str(PIPELINE_VERSION)}
    for package in (*_PACKAGES, *PACKAGES.values()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
