"""Find DICOM files, and import the packages that read them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

_PREFIX_AT, _PREFIX = 128, b"DICM"  # DICOM part 10, section 7.1


def require(module: str) -> Any:
    """Import a module of pydicom or highdicom, which are optional.

    Raises:
        ValueError: When it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"DICOM needs the packages pydicom and highdicom, {module} cannot be imported ({error}); "
            "run: pip install pydicom highdicom"
        ) from error


def is_dicom(path: Path) -> bool:
    """Tell whether a file has the prefix of DICOM part 10, whatever its name."""
    try:
        with path.open("rb") as file:
            file.seek(_PREFIX_AT)
            return file.read(len(_PREFIX)) == _PREFIX
    except OSError:
        return False


def dicom_files(folder: Path) -> list[Path]:
    """List the visible DICOM files of a folder itself."""
    return sorted(path for path in folder.iterdir() if _is_visible_dicom(path))


def find_series_folders(source: Path) -> list[Path]:
    """List the folders that hold DICOM files, at any depth below a folder and the folder itself.

    Args:
        source: folder; hidden folders in it are not searched.
    """
    folders = [source, *(path for path in source.rglob("*") if path.is_dir())]
    visible = [path for path in folders if not any(part[0] == "." for part in path.relative_to(source).parts)]
    return sorted(path for path in visible if any(_is_visible_dicom(file) for file in path.iterdir()))


def _is_visible_dicom(path: Path) -> bool:
    return path.is_file() and path.name[0] != "." and is_dicom(path)
