"""Handler that keeps the few slices of every subject that a report shows."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import nibabel as nib
import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from bundle.anomaly import OUTSIDE_BRAIN, map_key, mask_key
from bundle.conventions import ATTRIBUTION, INTENSITY, LOGIT, MASK, SUBJECT
from bundle.handlers.items import decollated_items, is_annotated
from bundle.handlers.saving import save_arrays_atomically

_AXES = {2: "axial", 1: "coronal", 0: "sagittal"}
_MARGIN = 2  # voxels around the brain
_SHOWN = 99.5  # percentile of the magnitude of a map at which its colours end


@dataclass(frozen=True)
class ReportPlane:
    """One slice, as it is shown: rows run downwards, the patient's left on the left.

    Attributes:
        name: orientation, and what the slice was chosen for.
        place: number of the slice and how many there are, from 1.
        spacing_mm: height and width of a pixel.
        image: z-scored image, ``(H, W)``.
        attribution: map in units of ``ReportSlices.limit``, clipped to -1 .. 1, ``(H, W)``.
        brain: brain mask, ``(H, W)`` bool.
        lesion: lesion mask, ``(H, W)`` bool.
        called: score -> voxels called anomalous, ``(H, W)`` bool.
    """

    name: str
    place: tuple[int, int]
    spacing_mm: tuple[float, float]
    image: NDArray[np.float32]
    attribution: NDArray[np.float32]
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    called: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class ReportSlices:
    """Slices of one subject.

    Attributes:
        subject: identifier of the image.
        logit: its image logit, by which slices of another run are recognised.
        annotated: whether its lesion is known.
        window: image values shown as black and as white.
        limit: magnitude of the map at which its colours end.
        planes: at least one slice.
    """

    subject: str
    logit: float
    annotated: bool
    window: tuple[float, float]
    limit: float
    planes: list[ReportPlane]


class SaveReportSlicesHandler:
    """Write ``<output_dir>/0001.npz`` and so on with slices of every subject, in the order of the evaluation.

    Kept are the axial, coronal and sagittal slice with the most lesion voxels, and where healthy voxels were called
    anomalous the axial slice with most of these. Without a lesion the slices are those with most called voxels, without
    those the ones through the highest score. Maps are scaled and kept in float16, which display needs, all around the
    brain is cut off: about 0.2 MB for a volume of 1 mm. A file under its final name is complete. Several processes
    share the subjects by turns, and each writes its own.

    Args:
        output_dir: folder of the files.
        scores: names of the scores; the first one is the method, whose map is kept. Each item must hold
            ``mask_key(name)``.
    """

    def __init__(self, output_dir: str | os.PathLike[str], scores: Sequence[str] = (ATTRIBUTION, INTENSITY)) -> None:
        self.output_dir = Path(output_dir)
        self.scores = tuple(scores)
        self._number = 1

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run."""
        self._number = idist.get_rank() + 1

    def __call__(self, engine: Engine) -> None:
        """Write the subjects of one iteration."""
        for item in decollated_items(engine):
            save_arrays_atomically(_content(item, self.scores), slices_file(self.output_dir, self._number))
            self._number += idist.get_world_size()


def slices_file(folder: Path, number: int) -> Path:
    """Return the file of a subject; numbers start from 1."""
    return folder / f"{number:04d}.npz"


def load_report_slices(path: str | os.PathLike[str]) -> ReportSlices:
    """Read the slices of one subject.

    Args:
        path: file that `SaveReportSlicesHandler` wrote.

    Raises:
        ValueError: When it is no such file, arrays of a slice differ in shape, or a map or image is not finite.
    """
    try:
        with np.load(path) as file:
            scores = [str(name) for name in file["scores"]]
            planes = [_plane(file, number, scores) for number in range(len(file["planes"]))]
            slices = ReportSlices(
                str(file["subject"]),
                float(file["logit"]),
                bool(file["annotated"]),
                (float(file["window"][0]), float(file["window"][1])),
                float(file["limit"]),
                planes,
            )
    except (KeyError, OSError, EOFError, zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path}: the file must hold a subject's slices, got {error!r}. Run evaluate.yaml.") from error
    for plane in slices.planes:
        shapes = {part.shape for part in (plane.image, plane.attribution, plane.brain, plane.lesion)}
        shapes |= {mask.shape for mask in plane.called.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise ValueError(f"{path}: image, map and masks of a slice must share one shape, got {sorted(shapes)}.")
        for name, part in (("image", plane.image), ("map", plane.attribution)):
            if not np.isfinite(part).all():
                count = int((~np.isfinite(part)).sum())
                raise ValueError(f"{path}: the {name} must be finite, got {count} NaN or infinite values.")
    return slices


def _plane(file: Mapping[str, Any], number: int, scores: Sequence[str]) -> ReportPlane:
    place, spacing = file[f"place_{number}"], file[f"spacing_mm_{number}"]
    return ReportPlane(
        str(file["planes"][number]),
        (int(place[0]), int(place[1])),
        (float(spacing[0]), float(spacing[1])),
        file[f"image_{number}"].astype(np.float32),
        file[f"attribution_{number}"].astype(np.float32),
        file[f"brain_{number}"],
        file[f"lesion_{number}"],
        {name: file[f"called_{name}_{number}"] for name in scores},
    )


def _content(item: Mapping[str, Any], scores: Sequence[str]) -> dict[str, Any]:
    """Return what a subject's file holds."""
    affine = np.asarray(item[mask_key(scores[0])].affine, dtype=np.float64)
    values, spacing_mm = _canonical(item[map_key(scores[0])], affine)
    image = _canonical(item[INTENSITY], affine)[0]
    called = {name: _canonical(item[mask_key(name)], affine)[0] > 0 for name in scores}
    brain = values > OUTSIDE_BRAIN
    lesion = _canonical(item[MASK], affine)[0] > 0 if is_annotated(item) else np.zeros(brain.shape, dtype=bool)
    limit = float(np.percentile(np.abs(values[brain]), _SHOWN)) or 1.0
    shown = {
        "image": np.where(brain, image, 0).astype(np.float16),
        "attribution": np.clip(np.where(brain, values, 0) / limit, -1, 1).astype(np.float16),
        "brain": brain,
        "lesion": lesion,
        **{f"called_{name}": mask for name, mask in called.items()},
    }
    content: dict[str, Any] = {
        "subject": np.array(str(item[SUBJECT])),
        "logit": np.array(float(item[LOGIT])),
        "annotated": np.array(is_annotated(item)),
        "window": np.percentile(image[brain], (0.5, 99.5)),
        "limit": np.array(limit),
        "scores": np.array(scores),
    }
    planes = _choose(values, lesion, called[scores[0]])
    content["planes"] = np.array([name for name, _, _ in planes])
    box = _box(brain | lesion)
    for number, (_, axis, index) in enumerate(planes):
        horizontal, vertical = (other for other in range(3) if other != axis)
        content[f"place_{number}"] = np.array([index + 1, values.shape[axis]])
        content[f"spacing_mm_{number}"] = np.array([spacing_mm[vertical], spacing_mm[horizontal]])
        for name, volume in shown.items():
            cut = np.take(volume, index, axis)[box[horizontal], box[vertical]]
            content[f"{name}_{number}"] = cut.T[::-1]
    return content


def _choose(values: NDArray[Any], lesion: NDArray[np.bool_], called: NDArray[np.bool_]) -> list[tuple[str, int, int]]:
    """Return name, axis and index of the slices to keep."""
    axes = [axis for axis in _AXES if values.shape[axis] == 1] or list(_AXES)  # a 2D image has one plane
    target = lesion if lesion.any() else called
    if target.any():
        places = {axis: _fullest(target, axis) for axis in axes}
    else:
        places = {axis: int(np.unravel_index(np.argmax(values), values.shape)[axis]) for axis in axes}
    planes = [(_AXES[axis], axis, index) for axis, index in places.items()]
    wrong = called & ~lesion
    if lesion.any() and wrong.any() and len(axes) > 1 and _fullest(wrong, 2) != places[2]:
        planes.append(("axial, most false voxels", 2, _fullest(wrong, 2)))
    return planes


def _fullest(mask: NDArray[np.bool_], axis: int) -> int:
    return int(np.argmax(mask.sum(axis=tuple(other for other in range(3) if other != axis))))


def _box(mask: NDArray[np.bool_]) -> list[slice]:
    """Return the range that a mask fills along each axis, with a margin."""
    box = []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(max(0, int(filled[0]) - _MARGIN), int(filled[-1]) + _MARGIN + 1))
    return box


def _canonical(values: torch.Tensor, affine: NDArray[np.float64]) -> tuple[NDArray[np.float32], Sequence[float]]:
    """Return one channel with three axes in RAS+ orientation, and its voxel size."""
    array = torch.as_tensor(values).detach().cpu().float().numpy()[0]
    while array.ndim < 3:
        array = array[..., np.newaxis]
    volume: Any = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(volume.dataobj), [float(size) for size in volume.header.get_zooms()]
