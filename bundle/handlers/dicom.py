"""Handler that writes the masks of DICOM series as DICOM SEG."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from bundle import __version__
from bundle.anomaly import load_thresholds
from bundle.conventions import ATTRIBUTION, PRED, SUBJECT
from bundle.data.dicom import Algorithm, write_segmentation
from bundle.handlers.items import decollated_items
from bundle.preprocessing.raw_scans import RawScans, series_file

logger = logging.getLogger(__name__)

MODEL_NAME = "brain_flair_anomaly_segmentation"


class SaveDicomSegHandler:
    """Write ``<output_dir>/<subject>/<subject>_anomaly.dcm`` for every subject that came as a DICOM series.

    A subject whose SEG cannot be written keeps its other results and counts as failed.

    Args:
        output_dir: folder of the subjects' folders.
        scans: where the subjects came from.
        threshold_file: thresholds in use.
        model_file: weights in use.
        score: score that the mask was made from.
        calibration: rule of the threshold, see :py:func:`bundle.anomaly.load_thresholds`.
        threshold: threshold that the mask was made with where it is not the one of the file.
        min_lesion_ml: volume below which parts of the mask were removed.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        scans: RawScans,
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        score: str = ATTRIBUTION,
        calibration: str | None = None,
        threshold: float | None = None,
        min_lesion_ml: float = 0.0,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.scans = scans
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.score = score
        self.calibration = calibration
        self.threshold = threshold
        self.min_lesion_ml = min_lesion_ml

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after :py:class:`bundle.handlers.SaveResultsHandler`."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the SEG of the subjects of one iteration."""
        for item in decollated_items(engine):
            self._save(item)

    def _save(self, item: Mapping[str, Any]) -> None:
        subject = str(item[SUBJECT])
        note = series_file(self.scans.folder, subject)
        if not note.is_file():
            return  # it did not come as DICOM
        files = [Path(file) for file in json.loads(note.read_text(encoding="utf-8"))["files"]]
        mask = torch.as_tensor(item[PRED]).cpu().numpy()[0]
        path = self.output_dir / subject / f"{subject}_anomaly.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of an earlier run, which no longer holds
        try:
            write_segmentation(mask, files, path, self._algorithm())
        except (ValueError, OSError) as error:
            self.scans.fail(subject, str(error))
            return
        logger.info("%s: DICOM SEG of %d slices", subject, len(files))

    def _algorithm(self) -> Algorithm:
        record = load_thresholds(self.threshold_file, self.model_file, self.calibration)
        threshold = record["thresholds"][self.score] if self.threshold is None else self.threshold
        parameters = {"score": self.score, "threshold": f"{threshold:.6g}", "calibration": str(record["calibration"])}
        if self.min_lesion_ml > 0:
            parameters["min_lesion_ml"] = f"{self.min_lesion_ml:g}"
        return Algorithm(MODEL_NAME, __version__, str(record["model_sha256"]), parameters)
