"""Handler that finds the operating points of a validation run and writes the threshold file."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from ignite.engine import Engine, Events

from bundle.anomaly import decision_point, operating_point, save_thresholds
from bundle.conventions import ATTRIBUTION, INTENSITY, LABEL, LOGIT
from bundle.handlers.items import BrainVoxels, decollated_items, is_annotated

logger = logging.getLogger(__name__)


class ThresholdCalibrationHandler:
    """Choose, per score, the threshold of highest Dice over the pooled brain voxels of the annotated patients.

    Lesion voxels outside the brain count as missed. The decision logit is the one of highest balanced accuracy over all
    subjects, see :py:func:`bundle.anomaly.decision_point`. The file is written once, when the run has completed.

    Args:
        threshold_file: the JSON file to write, see :py:func:`bundle.anomaly.save_thresholds`.
        model_file: weights in use; their hash goes into the file.
        scores: names of the anomaly maps to calibrate; each item must hold ``map_key(name)``.
        source: name of the data, kept in the file.

    Raises:
        ValueError: While running, when no pathological subject has a mask.
    """

    def __init__(
        self,
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        scores: Sequence[str] = (ATTRIBUTION, INTENSITY),
        source: str = "",
    ) -> None:
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.scores = tuple(scores)
        self.source = source
        self._voxels: list[BrainVoxels] = []
        self._decisions: list[tuple[float, int]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run."""
        self._voxels, self._decisions = [], []

    def __call__(self, engine: Engine) -> None:
        """Collect the decisions, and the brain voxels of the annotated patients, of one iteration."""
        for item in decollated_items(engine):
            self._decisions.append((float(item[LOGIT]), int(item[LABEL])))
            if is_annotated(item):
                self._voxels.append(BrainVoxels.from_item(item, self.scores))

    def completed(self, engine: Engine) -> None:
        """Find the operating points and write the file."""
        if not self._voxels:
            raise ValueError(
                "threshold calibration needs at least one pathological subject with a mask, got 0 in "
                f"{engine.state.iteration} iterations. Add 'mask' to entries of the datalist."
            )
        pool = BrainVoxels.pooled(self._voxels)
        thresholds, dice = {}, {}
        for name in self.scores:
            thresholds[name], dice[name] = operating_point(pool.scores[name], pool.lesion, missed=pool.outside_lesion)
            logger.info("threshold of %s: %.6g (pooled Dice %.3f)", name, thresholds[name], dice[name])
        logit = decision_point(*zip(*self._decisions, strict=True))
        logger.info("decision: pathological above logit %.4g", logit)
        calibrated_on = {
            "source": self.source,
            "subjects": len(self._decisions),
            "annotated_subjects": len(self._voxels),
            "lesion_voxels": int(pool.lesion.sum()) + pool.outside_lesion,
            "pooled_dice": dice,
        }
        save_thresholds(self.threshold_file, self.model_file, thresholds, calibrated_on, logit)
        logger.info("thresholds written to %s", self.threshold_file)
        self._voxels, self._decisions = [], []
