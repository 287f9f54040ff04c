"""Record what an evaluation was made with: versions, command, data and weights."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from bundle import __version__
from bundle.data.files import file_sha256, write_text_atomically

_PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy", "scipy")


def save_provenance(path: str | os.PathLike[str], **files: str | os.PathLike[str]) -> None:
    """Write versions, command and time, and name, place and SHA-256 of the files that were read, as JSON.

    Args:
        path: JSON file to write.
        files: what a file is -> the file, such as ``datalist=...``.

    Raises:
        FileNotFoundError: When one of the files is absent.
    """
    lacking = [file for file in files.values() if not Path(file).is_file()]
    if lacking:
        raise FileNotFoundError(f"no such file: {lacking[0]}. Name the files that the run has read.")
    record = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
        "versions": {
            "bundle": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "files": {
            name: {"path": str(Path(file).resolve()), "sha256": file_sha256(file)} for name, file in files.items()
        },
    }
    write_text_atomically(path, json.dumps(record, indent=4) + "\n")
