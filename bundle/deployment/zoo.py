"""What the continuous integration of the MONAI Model Zoo checks of a bundle's files, without its network.

Source: ``ci/verify_bundle.py``, ``.pre-commit-config.yaml`` and ``CONTRIBUTING.md`` of Project-MONAI/model-zoo, read in
2026. Written from what they check. The zoo compares the version with those it has published, which needs its list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from bundle.deployment.contents import METADATA, MODEL_CARD, WEIGHTS, bundle_files
from bundle.deployment.large_files import check_large_files

REQUIRED = ("LICENSE", METADATA, MODEL_CARD, WEIGHTS)
INFERENCE = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_PRIVATE_KEY = re.compile(rb"BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY|PuTTY-User-Key-File-\d")


def check_files(root: Path) -> list[str]:
    """Check the files of a bundle.

    Args:
        root: root folder of the bundle.

    Returns:
        One line per problem; nothing when the zoo would take the files.

    Raises:
        ValueError: When a file does not belong into a bundle.
    """
    files = bundle_files(root)
    return [
        *_required(root),
        *_licence(root),
        *_version(root),
        *_copies(root),
        *_json_layout(files),
        *check_large_files(root, files),
        *_private_keys(files),
    ]


def _required(root: Path) -> list[str]:
    """Find what is missing; listed weights must have been downloaded, and the inference workflow has one form."""
    missing = [name for name in REQUIRED if not (root / name).is_file()]
    problems = [f"{root / name}: the file does not exist; the zoo needs it" for name in missing]
    forms = [name for name in INFERENCE if (root / name).is_file()]
    if len(forms) != 1:
        problems.append(f"{root / 'configs'}: must hold one inference.json or inference.yaml, got {forms}")
    return problems


def _licence(root: Path) -> list[str]:
    path = root / "LICENSE"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not path.is_file() or ("Apache License" in text and "Version 2.0" in text):
        return []
    return [f"{path}: must be the Apache License, Version 2.0, got {text.strip()[:40]!r}; the Hub reads it from there"]


def _version(root: Path) -> list[str]:
    path = root / METADATA
    if not path.is_file():
        return []
    metadata = json.loads(path.read_text(encoding="utf-8"))
    version, changes = metadata.get("version"), metadata.get("changelog", {})
    if version in changes:
        return []
    return [f"{path}: changelog must have an entry for version {version}, got {', '.join(changes) or 'none'}"]


def _copies(root: Path) -> list[str]:
    copy, path = root / "metadata.json", root / METADATA
    if not copy.is_file() or not path.is_file() or copy.read_bytes() == path.read_bytes():
        return []
    return [f"{copy}: must be a copy of {METADATA}; copy it again"]


def _json_layout(files: Mapping[str, Path]) -> list[str]:
    """Find JSON files that are not indented by four, in which a change of one value would show as one of all."""
    problems = []
    for name, path in files.items():
        if not name.endswith(".json"):
            continue
        text = path.read_text(encoding="utf-8")
        try:
            content = json.loads(text)
        except ValueError as error:
            problems.append(f"{path}: must be JSON ({error}); correct it")
            continue
        if text.rstrip("\n") not in {json.dumps(content, indent=4, ensure_ascii=escaped) for escaped in (True, False)}:
            problems.append(f"{path}: JSON must be indented by 4; write it with json.dumps(..., indent=4)")
    return problems


def _private_keys(files: Mapping[str, Path]) -> list[str]:
    return [
        f"{path}: must hold no private key, got {found[0].decode()!r}; remove it and replace the key"
        for path in files.values()
        if (found := _PRIVATE_KEY.search(path.read_bytes())) is not None
    ]
