"""Write files so that one under its final name is always complete, and read checkpoints that may be broken."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bundle.data.files import written_whole


def _written_whole(path: Path) -> AbstractContextManager[Path]:
    """Write under one hidden name, so that a killed run leaves at most one, which the next one uses again."""
    return written_whole(path, f".{path.name}.part")


def save_atomically(content: Any, path: Path) -> None:
    """Save with ``torch.save`` under a temporary name in the same folder, then rename.

    Raises:
        OSError: When the folder cannot be written; nothing is left there.
    """
    with _written_whole(path) as part:
        torch.save(content, part)


def save_arrays_atomically(arrays: Mapping[str, Any], path: Path) -> None:
    """Save arrays as compressed ``.npz`` under a temporary name in the same folder, then rename.

    Raises:
        OSError: When the folder cannot be written; nothing is left there.
    """
    with _written_whole(path) as part, part.open("wb") as file:
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
