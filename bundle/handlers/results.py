"""Handler that writes the results of inference, one folder per subject."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from numpy.typing import NDArray

from bundle.anomaly import OUTSIDE_BRAIN, image_result, load_thresholds, map_key
from bundle.conventions import ATTRIBUTION, INTENSITY, LOGIT, PRED, SUBJECT
from bundle.handlers.items import check_brain_volume, decollated_items
from bundle.metrics import volume_ml

logger = logging.getLogger(__name__)

Draw = Callable[[Path, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], str], None]


class SaveResultsHandler:
    """Write mask, attribution map, decision and picture of every subject, on the grid of the subject's own file.

    ``<output_dir>/<subject>/`` receives ``<subject>_anomaly.nii.gz`` (1 = anomaly), ``<subject>_attribution.nii.gz``
    (logit per unit of what the classifier sees, zero outside the brain), ``<subject>_result.json`` and, with ``draw``,
    ``<subject>_overlay.png``. All files are prepared in a hidden folder and moved to their names when every one is
    complete, so a run that dies leaves no part of a subject.

    The JSON file holds what :py:func:`bundle.anomaly.image_result` returns.

    Args:
        output_dir: folder of the subjects' folders.
        threshold_file: thresholds in use, see :py:func:`bundle.anomaly.load_thresholds`.
        model_file: weights in use.
        draw: function that draws the picture, such as :py:func:`bundle.report.draw_overlay`.
        score: score that the mask was made from.
        calibration: rule of the threshold that the mask was made with, see :py:func:`bundle.anomaly.load_thresholds`.
        threshold: threshold that the mask was made with where it is not the one of the file.
        min_lesion_ml: volume below which parts of the mask were removed.

    Raises:
        ValueError: While running, when a subject comes twice or a map is not on the grid of its file.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        draw: Draw | None = None,
        score: str = ATTRIBUTION,
        calibration: str | None = None,
        threshold: float | None = None,
        min_lesion_ml: float = 0.0,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.draw = draw
        self.score = score
        self.calibration = calibration
        self.threshold = threshold
        self.min_lesion_ml = min_lesion_ml
        self._record: dict[str, Any] = {}
        self._done: set[str] = set()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def started(self, engine: Engine) -> None:
        """Read the thresholds, so that a file of other weights stops the run before the first subject."""
        self._record = load_thresholds(self.threshold_file, self.model_file, self.calibration)
        self._done = set()

    def __call__(self, engine: Engine) -> None:
        """Write the subjects of one iteration."""
        for item in decollated_items(engine):
            self._save(item)

    def _save(self, item: Mapping[str, Any]) -> None:
        subject = str(item[SUBJECT])
        if subject in self._done:
            raise ValueError(f"every subject must come once, got {subject!r} twice. Rename one of its files.")
        file = Path(item[INTENSITY].meta["filename_or_obj"])
        source: Any = nib.load(file)
        mask = _on_grid(item[PRED], source.shape, subject)
        brain = _on_grid(item[map_key(self.score)], source.shape, subject) > OUTSIDE_BRAIN
        attribution = np.where(brain, _on_grid(item[ATTRIBUTION], source.shape, subject), 0)
        intensity = _on_grid(item[INTENSITY], source.shape, subject)
        result = self._result(item, mask, source.affine, file.name)
        result["brain_ml"] = volume_ml(torch.as_tensor(brain), torch.as_tensor(source.affine))
        check_brain_volume(subject, result["brain_ml"])

        self.output_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=self.output_dir) as name:
            folder = Path(name)
            nib.save(_nifti(mask, np.uint8, source), folder / f"{subject}_anomaly.nii.gz")
            nib.save(_nifti(attribution, np.float32, source), folder / f"{subject}_attribution.nii.gz")
            if self.draw is not None:
                title = (
                    f"{subject}: {result['decision']}, p = {result['probability']:.2f}, {result['volume_ml']:.1f} ml"
                )
                picture = folder / f"{subject}_overlay.png"
                self.draw(picture, intensity, attribution, mask, source.affine, title)
            text = json.dumps(result, indent=4, allow_nan=False) + "\n"
            (folder / f"{subject}_result.json").write_text(text, encoding="utf-8")
            target = self.output_dir / subject
            target.mkdir(exist_ok=True)
            for file in sorted(folder.iterdir()):
                file.replace(target / file.name)
        self._done.add(subject)
        logger.info("%s: %s (probability %.3f), %.1f ml", subject, *_headline(result))

    def _result(self, item: Mapping[str, Any], mask: NDArray[Any], affine: NDArray[Any], image: str) -> dict[str, Any]:
        result = image_result(
            self._record,
            logit=float(item[LOGIT]),
            score=self.score,
            volume_ml=volume_ml(torch.as_tensor(mask), torch.as_tensor(affine)),
            threshold=self.threshold,
            min_lesion_ml=self.min_lesion_ml,
        )
        return {"subject": str(item[SUBJECT]), "image": image, **result}


def _headline(result: Mapping[str, Any]) -> tuple[str, float, float]:
    return result["decision"], result["probability"], result["volume_ml"]


def _on_grid(values: torch.Tensor, shape: tuple[int, ...], subject: str) -> NDArray[Any]:
    """Return one channel as an array of the file's own shape."""
    array = (values.as_tensor() if isinstance(values, MetaTensor) else values).detach().cpu().numpy()
    if array.size != np.prod(shape) or array.shape[1:] != tuple(shape)[: array.ndim - 1]:
        raise ValueError(
            f"subject {subject}: a result must be on the grid of its file {tuple(shape)}, got {array.shape[1:]}. "
            "Invert the map in postprocessing."
        )
    return array.reshape(shape)


def _nifti(array: NDArray[Any], dtype: Any, source: Any) -> Any:
    """Wrap an array in the source's geometry: affine, its codes and its units."""
    header = source.header.copy()
    header.set_data_dtype(dtype)
    header["cal_min"], header["cal_max"] = 0, 0  # display range of the source
    return nib.Nifti1Image(array.astype(dtype), source.affine, header)
