"""Files that are downloaded instead of kept with the bundle: the list that MONAI's ``download_large_files`` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monai.bundle import ConfigParser

from bundle.data.files import file_sha256
from bundle.deployment.contents import LARGE_FILES

MAX_BYTES = 25 * 1024**2
"""Size of a file above which the Model Zoo wants it out of git, by its contributing guide."""

_HASHES = ("md5", "sha1", "sha256", "sha512")


def large_files_text(path: str, url: str, file: Path) -> str:
    """Return the list for one file.

    Args:
        path: place of the file below the bundle's root.
        url: where it can be downloaded.
        file: the file, for its hash.

    Raises:
        ValueError: When ``url`` is no address.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"the address of the weights must begin with http:// or https://, got {url!r}; correct it")
    entry = {"path": path, "url": url, "hash_val": file_sha256(file), "hash_type": "sha256"}
    lines = [f"    {key}: {json.dumps(value)}" for key, value in entry.items()]  # JSON's texts are YAML's
    return "\n".join(["large_files:", lines[0].replace("    ", "  - ", 1), *lines[1:], ""])


def check_large_files(root: Path, files: Mapping[str, Path]) -> list[str]:
    """Check the list, where there is one, and that no file is too large to be kept in git without being listed.

    Args:
        root: root folder of the bundle.
        files: name below the root -> file.

    Returns:
        One line per problem.
    """
    entries = _entries(root)
    listed = {entry["path"] for entry in entries if isinstance(entry, Mapping) and "path" in entry}
    wrong = [(number, _problem(root, entry)) for number, entry in enumerate(entries)]
    problems = [f"{root / LARGE_FILES}, entry {number}: {problem}" for number, problem in wrong if problem]
    problems += [
        f"{path}: a file above 25 MiB must be listed in {LARGE_FILES}, got {path.stat().st_size / 1024**2:.0f} MiB"
        for name, path in files.items()
        if name not in listed and path.stat().st_size > MAX_BYTES
    ]
    return problems


def _entries(root: Path) -> list[Any]:
    path = root / LARGE_FILES
    entries = ConfigParser.load_config_file(path).get("large_files") if path.is_file() else None
    return entries if isinstance(entries, list) else []


def _problem(root: Path, entry: Any) -> str:
    """Return what is wrong with an entry, or nothing."""
    if not isinstance(entry, Mapping) or not {"path", "url", "hash_val", "hash_type"} <= set(entry):
        return f"must have path, url, hash_val and hash_type, got {entry}"
    if entry["hash_type"] not in _HASHES:  # without one MONAI takes any file
        return f"hash_type must be one of {', '.join(_HASHES)}, got {entry['hash_type']!r}"
    file = (root / entry["path"]).resolve()
    if not file.is_relative_to(root.resolve()):
        return f"path must lie in the bundle, got {entry['path']}"
    if file.is_file():
        found = hashlib.new(entry["hash_type"], file.read_bytes()).hexdigest()
        if found != entry["hash_val"]:
            return f"{entry['path']} must have the {entry['hash_type']} {entry['hash_val']}, got {found}"
    return ""
