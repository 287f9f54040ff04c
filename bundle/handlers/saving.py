"""Write files so that one under its final name is always complete, and read checkpoints that may be broken."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


@contextmanager
def _renamed_when_complete(path: Path) -> Iterator[Path]:
    """Give a temporary name in the same folder, and move what was written there to ``path`` at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")  # one name, so that a killed run leaves at most one, which is reused
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save_atomically(content: Any, path: Path) -> None:
    """Save with ``torch.save`` under a temporary name in the same folder, then rename.

    Raises:
        OSError: When the folder cannot be written; nothing is left there.
    """
    with _renamed_when_complete(path) as part:
        torch.save(content, part)


def save_arrays_atomically(arrays: Mapping[str, Any], path: Path) -> None:
    """Save arrays as compressed ``.npz`` under a temporary name in the same folder, then rename.

    Raises:
        OSError: When the folder cannot be written; nothing is left there.
    """
    with _renamed_when_complete(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_safely(path: Path, map_location: torch.device | str = "cpu") -> Any:
    """Load a checkpoint without running code from it.

    Raises:
        ValueError: When it cannot be loaded, whatever the cause; the message is the cause, short and on one line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch finds odd about a file before it rejects it
            return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch reads a broken file as a program, which may fail in any way
        raise ValueError(" ".join(str(error).split())[:80] or type(error).__name__) from error
