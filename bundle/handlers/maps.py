"""Handler that keeps the maps of an evaluation, so that they can be compared with those of another one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from bundle.anomaly import OUTSIDE_BRAIN, map_key
from bundle.conventions import ATTRIBUTION, CONDITION, INTENSITY, LABEL, PATIENT, SUBJECT
from bundle.handlers.items import BrainVoxels, decollated_items, is_annotated
from bundle.handlers.processes import check_distinct
from bundle.handlers.saving import save_arrays_atomically

_ANNOTATED, _BRAIN, _LESION, _OUTSIDE_LESION = "annotated", "brain", "lesion", "outside_lesion"


@dataclass(frozen=True)
class SubjectMaps:
    """Maps of one subject at its brain voxels, as `SaveMapsHandler` writes them.

    Attributes:
        subject: identifier of the image.
        patient: identifier of the person, the subject's own where the data name none.
        condition: condition of the subject.
        label: healthy or pathological.
        annotated: whether the lesion of the subject is known.
        brain: brain mask on the grid that was evaluated, ``(1, *spatial)`` bool.
        lesion: lesion mask of the brain voxels, ``(N,)`` bool.
        outside_lesion: lesion voxels outside the brain.
        scores: score -> its values at the brain voxels, ``(N,)`` float32.
    """

    subject: str
    patient: str
    condition: str
    label: int
    annotated: bool
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    outside_lesion: int
    scores: dict[str, NDArray[np.float32]]


class SaveMapsHandler:
    """Write ``<output_dir>/<subject>.npz`` with the maps of every score at the brain voxels of each subject.

    The maps are those that the evaluation measures, on the grid of the subject's own image, in float32: attributions
    are often below the smallest normal float16, and a threshold then gives the same mask as in the evaluation. Voxels
    outside the brain have no score and are left out. A file under its final name is complete. Each of several
    processes writes the subjects that it evaluates.

    Args:
        output_dir: folder of the files.
        scores: names of the scores; each item must hold ``map_key(name)``.

    Raises:
        ValueError: While running, when a subject comes twice.
    """

    def __init__(self, output_dir: str | os.PathLike[str], scores: Sequence[str] = (ATTRIBUTION, INTENSITY)) -> None:
        self.output_dir = Path(output_dir)
        self.scores = tuple(scores)
        self._done: set[str] = set()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run."""
        self._done = set()

    def __call__(self, engine: Engine) -> None:
        """Write the subjects of one iteration."""
        for item in decollated_items(engine):
            self._save(item)

    def completed(self, engine: Engine) -> None:
        """Check that no subject came to two processes."""
        check_distinct(self._done)

    def _save(self, item: Mapping[str, Any]) -> None:
        subject = str(item[SUBJECT])
        if subject in self._done:
            raise ValueError(f"every subject must come once, got {subject!r} twice. Rename one of its entries.")
        voxels = BrainVoxels.from_item(item, self.scores)
        brain = torch.as_tensor(item[map_key(self.scores[0])]).cpu().numpy() > OUTSIDE_BRAIN
        content: dict[str, Any] = {
            SUBJECT: np.array(subject),
            PATIENT: np.array(str(item.get(PATIENT, subject))),
            CONDITION: np.array(str(item[CONDITION])),
            LABEL: np.array(int(item[LABEL])),
            _ANNOTATED: np.array(is_annotated(item)),
            _BRAIN: brain,
            _LESION: voxels.lesion.numpy(),
            _OUTSIDE_LESION: np.array(voxels.outside_lesion),
            **{map_key(name): values.numpy() for name, values in voxels.scores.items()},
        }
        save_arrays_atomically(content, self.output_dir / f"{subject}.npz")
        self._done.add(subject)


def load_maps(path: str | os.PathLike[str], scores: Sequence[str]) -> SubjectMaps:
    """Read the maps of one subject.

    Args:
        path: file that `SaveMapsHandler` wrote.
        scores: scores to read; the others are left in the file.

    Raises:
        ValueError: When the file lacks a score.
    """
    with np.load(path) as file:
        lacking = [name for name in scores if map_key(name) not in file.files]
        if lacking:
            raise ValueError(f"{path}: the file must hold the scores {list(scores)}, {lacking[0]!r} is not in it.")
        return SubjectMaps(
            subject=str(file[SUBJECT]),
            patient=str(file[PATIENT]),
            condition=str(file[CONDITION]),
            label=int(file[LABEL]),
            annotated=bool(file[_ANNOTATED]),
            brain=file[_BRAIN],
            lesion=file[_LESION],
            outside_lesion=int(file[_OUTSIDE_LESION]),
            scores={name: file[map_key(name)] for name in scores},
        )
