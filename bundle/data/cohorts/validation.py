"""Find every problem of a datalist and of the files that it names, at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bundle.conventions import HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, TEST, VALIDATION
from bundle.data.cohorts.grids import Grid, grid_rows, size_rows
from bundle.data.cohorts.inspection import MASK_LABELS, Inspection, Problem, inspect_entry
from bundle.data.records import SECTIONS, validate_datalist

# What can be wrong, by kind.
KINDS: Mapping[str, str] = {
    "datalist": "structure; a subject twice; a subject or patient in two sections; training with one class",
    "classes": "validation or test with one class",
    "missing": "files that do not exist",
    "image": "images that cannot be read or have channels, NaN, infinite or equal voxels",
    "repeated": "one image twice, by its voxels",
    "grid": "images on different grids",
    "mask": "masks that cannot be read or have another shape, fractions, or lesions in a healthy image",
    "mask_affine": "masks whose header places them elsewhere than their image's does",
    "mask_labels": "masks with labels that are not expected",
    "empty_mask": "patients with an empty mask",
}
_SIZES_IN_MESSAGE = 4


@dataclass(frozen=True)
class Validation:
    """What was found in a datalist.

    Args:
        datalist: the file.
        inspections: every entry that names an image.
        problems: everything that is wrong.
        accepted: what is wrong and was accepted.
    """

    datalist: str
    inspections: tuple[Inspection, ...]
    problems: tuple[Problem, ...]
    accepted: tuple[Problem, ...]

    def grids(self) -> list[tuple[str, Grid]]:
        """Return subject and grid of every image that can be used."""
        return [(item.subject, item.grid) for item in self.inspections if item.grid is not None]

    def report(self) -> dict[str, Any]:
        """Return everything as JSON content."""
        return {
            "datalist": self.datalist,
            "images": len(self.inspections),
            "problems": [asdict(problem) for problem in self.problems],
            "accepted": [asdict(problem) for problem in self.accepted],
            "grids": grid_rows(self.grids()),
        }


def validate_cohort(
    path: Path,
    *,
    accept: Iterable[str] = (),
    spatial_dims: int = 3,
    mask_labels: Iterable[int] = MASK_LABELS,
    workers: int = 1,
    progress: bool = False,
) -> Validation:
    """Check a datalist and read every image and mask that it names.

    Args:
        path: datalist.
        accept: kinds of problems, of :py:data:`KINDS`, that are noted apart.
        spatial_dims: number of spatial axes of the images.
        mask_labels: values that masks may hold.
        workers: number of threads; the result does not depend on it.
        progress: whether to show a progress bar.

    Raises:
        FileNotFoundError: When the datalist does not exist.
        ValueError: When it is not valid JSON, a kind is unknown, or ``workers`` is below 1.
    """
    accepted = set(accept)
    unknown = sorted(accepted - set(KINDS))
    if unknown:
        raise ValueError(f"a kind of problem is one of {', '.join(KINDS)}, got {unknown[0]!r}; correct it")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    content, labels = _load(path), tuple(mask_labels)
    entries = list(_entries(content, path.absolute().parent))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        results = pool.map(lambda item: inspect_entry(item[0], item[1], spatial_dims, labels), entries)
        bar = tqdm(results, total=len(entries), desc="checking images", unit="image", disable=not progress, leave=False)
        found = Validation(str(path), tuple(bar), (), ())
    problems = [Problem("datalist", f"{path}: {line}", str(path)) for line in validate_datalist(content)]
    problems += _one_class(path, entries)
    problems += [problem for inspection in found.inspections for problem in inspection.problems]
    problems += _repeated(found.inspections)
    problems += _different_grids(path, found.grids())
    return Validation(
        str(path),
        found.inspections,
        tuple(problem for problem in problems if problem.kind not in accepted),
        tuple(problem for problem in problems if problem.kind in accepted),
    )


def _load(path: Path) -> Any:
    """Read the JSON of a datalist, whatever it holds."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the datalist does not exist; check the path, or write it with scripts.cohort")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: a datalist must be valid JSON, got {error}; correct the file") from error


def _entries(content: Any, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the section and the entry, with absolute paths, of everything that names an image."""
    for section in SECTIONS:
        part = content.get(section, []) if isinstance(content, Mapping) else []
        for entry in part if isinstance(part, list) else []:
            if isinstance(entry, Mapping) and isinstance(entry.get(IMAGE), str) and entry[IMAGE]:
                paths = {key: str(folder / entry[key]) for key in (IMAGE, MASK) if isinstance(entry.get(key), str)}
                yield section, {**entry, **paths}


def _one_class(path: Path, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Problem]:
    """Find validation and test sections with one class; that of training is a problem of the datalist already."""
    problems = []
    for section in (VALIDATION, TEST):
        labels = {entry.get(LABEL) for name, entry in entries if name == section}
        if labels in ({HEALTHY}, {PATHOLOGICAL}):
            lacking = "patients (label 1)" if labels == {HEALTHY} else "healthy images (label 0)"
            message = f"{path}: section {section!r} must hold both classes, got no {lacking}; add some"
            problems.append(Problem("classes", message, str(path), section))
    return problems


def _repeated(inspections: Sequence[Inspection]) -> list[Problem]:
    """Find images that have the voxels of an earlier one."""
    first: dict[str, Inspection] = {}
    problems = []
    for item in inspections:
        other = first.setdefault(item.digest, item)
        if item.digest and other is not item:
            message = (
                f"{item.image}: an image must stand once, got the voxels of {other.section} {other.subject} "
                f"({other.image}) again; remove one"
            )
            problems.append(Problem("repeated", message, item.image, item.section, item.subject))
    return problems


def _different_grids(path: Path, grids: Sequence[tuple[str, Grid]]) -> list[Problem]:
    """Say which grids there are, when there are several."""
    count = len({grid for _, grid in grids})
    if count < 2:
        return []
    rows = size_rows(grids)
    sizes = [
        f"{row['images']} of {row['size']} (affines: {row['affines']}, first {row['first']})"
        for row in rows[:_SIZES_IN_MESSAGE]
    ]
    more = f"; and {len(rows) - len(sizes)} more sizes" if len(rows) > len(sizes) else ""
    message = (
        f"{path}: all images must be on one grid, got {count}: {'; '.join(sizes)}{more}; preprocess them, or accept it "
        "where the workflow brings them to the model's grid"
    )
    return [Problem("grid", message, str(path))]
