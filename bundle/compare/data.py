"""The data of a workflow, as one fingerprint: the content of a datalist's sections and of the files they name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from bundle.conventions import IMAGE, MASK
from bundle.data.files import file_sha256, write_text_atomically
from bundle.data.records import load_sections

_QUIET_BELOW = 1000  # files; a progress bar for fewer is noise


class FileHashes:
    """SHA-256 of files, remembered between runs as long as a file's size and time of change stay the same.

    Contents count and not paths or times, so a copied cohort is the same data.

    Args:
        path: JSON file of the memory; ``None`` keeps none.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._known: dict[str, list[int | str]] = {}
        if path is not None and path.is_file():
            try:
                self._known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                self._known = {}  # only a memory: it is filled again

    def of(self, files: Iterable[str]) -> dict[str, str]:
        """Return the hash of every file.

        Raises:
            FileNotFoundError: When a file does not exist.
        """
        states = {}
        for file in dict.fromkeys(files):
            try:
                state = os.stat(file)
            except FileNotFoundError as error:
                raise FileNotFoundError(f"{file}: the datalist names a file that does not exist") from error
            states[file] = [state.st_size, state.st_mtime_ns]
        new = [file for file, state in states.items() if self._known.get(file, [])[:2] != state]
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            hashes = pool.map(file_sha256, new)
            bar = tqdm(hashes, total=len(new), desc="hashing", disable=len(new) < _QUIET_BELOW, leave=False)
            for file, value in zip(new, bar, strict=True):
                self._known[file] = [*states[file], value]
        if new and self.path is not None:
            write_text_atomically(self.path, json.dumps(self._known) + "\n")
        return {file: str(self._known[file][2]) for file in states}


def data_fingerprint(datalist: Path, sections: Sequence[str], hashes: FileHashes) -> str:
    """Return the SHA-256 of some sections of a datalist and of their images and masks.

    Raises:
        FileNotFoundError: When the datalist or a file that it names does not exist.
        ValueError: When the datalist has problems.
    """
    entries = {name: found for name, found in load_sections(datalist).items() if name in sections}
    files = [entry[key] for found in entries.values() for entry in found for key in (IMAGE, MASK) if key in entry]
    contents = hashes.of(files)
    listed = {
        name: [
            {key: contents.get(value, value) if key in (IMAGE, MASK) else value for key, value in entry.items()}
            for entry in found
        ]
        for name, found in entries.items()
    }
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
