"""Check everything a workflow is about to use, and stop with one line per problem before anything is written.

Configs call `preflight` in their ``initialize`` list and read their entries with `entries_or_exit`. Problems end the
program with ``SystemExit``, because MONAI wraps every other exception of a config expression into a chain of
tracebacks; ``SystemExit`` prints its message alone and returns exit status 1.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import torch
from tqdm import tqdm

from bundle.anomaly.threshold import load_thresholds
from bundle.conventions import IMAGE, LABEL, MASK, TEST
from bundle.data import check_mask, check_volume, list_volumes
from bundle.data.checks import drop_trailing
from bundle.handlers import misfit, not_finite
from bundle.handlers.saving import load_safely

logger = logging.getLogger(__name__)

_MAX_THREADS = 8
_QUIET_BELOW = 10  # entries; a progress bar for fewer is noise


def preflight(
    entries: Sequence[Mapping[str, Any]] | Callable[[], Sequence[Mapping[str, Any]]] = (),
    *,
    weights: str | Path | None = None,
    network: torch.nn.Module | None = None,
    threshold_file: str | Path | None = None,
    output_dir: str | Path | None = None,
    file_per_image: bool = False,
    one_shape: bool = False,
    spatial_dims: int = 3,
    free_mb: float = 200.0,
    progress: bool = True,
) -> None:
    """Check the inputs and the output folder of a workflow; return only if all is well.

    Args:
        entries: entries of a datalist with ``image`` and perhaps ``mask`` and ``label``, or a function that returns
            them.
        weights: checkpoint that the workflow loads.
        network: network that loads it.
        threshold_file: thresholds that must belong to ``weights``.
        output_dir: folder that the workflow writes to; it need not exist yet.
        file_per_image: whether results are named after the images, whose names must then differ.
        one_shape: whether all images must have one shape, because they share batches on their own grid.
        spatial_dims: number of spatial axes of the images.
        free_mb: space that the output folder's disk must have, in megabytes.
        progress: whether to show a progress bar for many images.

    Raises:
        SystemExit: When there is any problem; the message has one line for each, ``error: <file>: <what>; <fix>``.
    """
    problems: list[str] = []
    if callable(entries):
        found, problems = _collect(entries)
        entries = found or []
    if weights is not None:
        problems += _problems(lambda: check_weights(weights, network))
    if threshold_file is not None and not problems:  # unreadable weights have no threshold file to belong to
        problems += _problems(lambda: load_thresholds(threshold_file, weights))
    if output_dir is not None:
        problems += _problems(lambda: check_output_dir(output_dir, free_mb))
    if file_per_image:
        problems += _problems(lambda: check_output_names(entries))
    problems += check_entries(entries, spatial_dims=spatial_dims, progress=progress)
    if one_shape and not problems:  # the images can be read
        problems += _problems(lambda: check_one_shape(entries, spatial_dims))
    exit_with(problems)


def entries_or_exit(path: str | Path, section: str = TEST, pattern: str = "*") -> list[dict[str, Any]]:
    """Return the entries of a datalist's section, a folder or a file, for use in configs.

    Args:
        path: see :py:func:`bundle.data.list_volumes`.
        section: section of a datalist.
        pattern: file names to take from a folder.

    Raises:
        SystemExit: When there is any problem; the message has one line for each.
    """
    found, problems = _collect(lambda: list_volumes(path, section, pattern))
    exit_with(problems)
    return list(found or [])


def check_or_exit(check: Callable[[], Any]) -> None:
    """Call a check that raises, for use in configs.

    Args:
        check: function that raises a ValueError or OSError when something is wrong.

    Raises:
        SystemExit: When it does; the message has one line for each line of the error.
    """
    exit_with(_problems(check))


def check_entries(entries: Sequence[Mapping[str, Any]], *, spatial_dims: int = 3, progress: bool = True) -> list[str]:
    """Check the image and the mask of every entry.

    Args:
        entries: entries with ``image`` and perhaps ``mask`` and ``label``.
        spatial_dims: number of spatial axes of the images.
        progress: whether to show a progress bar for many images.

    Returns:
        One line per problem, in the order of the entries.
    """

    def check(entry: Mapping[str, Any]) -> list[str]:
        problems = _problems(lambda: check_volume(entry[IMAGE], spatial_dims))
        if entry.get(MASK) is not None and not problems:
            problems += _problems(lambda: check_mask(entry[MASK], entry[IMAGE], entry.get(LABEL)))
        return problems

    quiet = not progress or len(entries) < _QUIET_BELOW
    with ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        bar = tqdm(pool.map(check, entries), total=len(entries), desc="checking images", disable=quiet, leave=False)
        return [problem for problems in bar for problem in problems]


def check_weights(path: str | Path, network: torch.nn.Module | None = None) -> None:
    """Check that a file holds weights that can be loaded without running code from it.

    Args:
        path: checkpoint: a state dict, alone or under the key ``model``.
        network: network that must be able to load it.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not a checkpoint of tensors, a weight is NaN or infinite, or it does not fit the network.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: the weights do not exist; check the path, or train a model first")
    try:
        checkpoint = load_safely(Path(path))
    except ValueError as error:
        raise ValueError(f"{path}: the weights cannot be read ({error}); copy or download the file again") from error
    if not isinstance(checkpoint, Mapping) or not checkpoint:
        raise ValueError(
            f"{path}: a weights file must hold a state dict, got {type(checkpoint).__name__}; "
            "save network.state_dict() with torch.save"
        )
    state = checkpoint["model"] if isinstance(checkpoint.get("model"), Mapping) else checkpoint
    problem = misfit(network, state) if network is not None else ""
    if problem:
        raise ValueError(
            f"{path}: the weights do not fit network_def: {problem}; use the network_def that they were trained with"
        )
    names = not_finite(state)
    if names:
        raise ValueError(
            f"{path}: weights must be finite, got NaN or infinity in {len(names)} of {len(state)} tensors, such as "
            f"{names[0]}; train again or copy the file again"
        )


def check_output_dir(path: str | Path, free_mb: float = 200.0) -> None:
    """Check that a folder can be written to, or be made, and that its disk is not nearly full.

    Args:
        path: folder, which need not exist yet and is not made.
        free_mb: space that its disk must have, in megabytes.

    Raises:
        ValueError: When the path or one above it is a file, is not writable, or the disk is nearly full.
    """
    folder = Path(path).expanduser().absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise ValueError(f"{path}: the output folder cannot be made, {folder} is a file; choose another folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{path}: the output folder is not writable ({error.strerror}); choose another folder"
        ) from error
    free = shutil.disk_usage(folder).free / 1.0e6
    if free < free_mb:
        raise ValueError(
            f"{path}: the output folder's disk must have {free_mb:g} MB free, got {free:.0f} MB; "
            "free some space or choose another folder"
        )


def check_output_names(entries: Sequence[Mapping[str, Any]]) -> None:
    """Check that no two images have one file name, because results are named after it.

    Args:
        entries: entries with ``image``.

    Raises:
        ValueError: When two images in different folders have one name.
    """
    counts = Counter(Path(entry[IMAGE]).name.removesuffix(".gz").removesuffix(".nii") for entry in entries)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(
            f"{repeated[0]}: results are named after the image, and {counts[repeated[0]]} images have this name "
            f"({len(repeated)} names repeat); rename the images"
        )


def check_one_shape(entries: Sequence[Mapping[str, Any]], spatial_dims: int = 3) -> None:
    """Check that all images have one shape, because they share batches.

    Args:
        entries: entries with ``image``, files that can be read.
        spatial_dims: number of spatial axes of the images.

    Raises:
        ValueError: When an image has another shape than the first one.
    """
    headers: dict[str, Any] = {entry[IMAGE]: nib.load(entry[IMAGE]) for entry in entries}
    shapes = {path: drop_trailing(header.shape, spatial_dims) for path, header in headers.items()}
    first = next(iter(shapes.values()), ())
    for path, shape in shapes.items():
        if shape != first:
            raise ValueError(
                f"{path}: images that share batches must have one shape, {first} as the first one, got {shape}; "
                "pad them to one shape, for example with make_slices --size"
            )


def exit_with(problems: Iterable[str]) -> None:
    """End the program if there are problems.

    Args:
        problems: one line per problem.

    Raises:
        SystemExit: When there is any; the message has one line for each and the exit status is 1.
    """
    lines = [f"error: {problem}" for problem in problems]
    if lines:
        raise SystemExit("\n".join(lines))


def _collect(function: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return a function's result and no problems, or no result and its error's lines."""
    try:
        return function(), []
    except (ValueError, OSError) as error:
        logger.debug("preflight found a problem", exc_info=True)
        return None, str(error).splitlines()


def _problems(check: Callable[[], Any]) -> list[str]:
    """Return the lines of the error that a check raises."""
    return _collect(check)[1]
