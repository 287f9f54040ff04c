"""Handler that measures decisions and anomaly maps against labels and masks and writes the results table."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.anomaly import load_thresholds
from bundle.conventions import ATTRIBUTION, INTENSITY, LABEL
from bundle.data.files import csv_text, write_text_atomically
from bundle.handlers.evaluation_curves import AttributionHistogram
from bundle.handlers.evaluation_subjects import EvaluatedSubject
from bundle.handlers.evaluation_summary import (
    annotated_by_condition,
    condition_rows,
    healthy_rows,
    lesion_rows,
    volume_rows,
)
from bundle.handlers.items import BrainVoxels, check_brain_volume, decollated_items, is_annotated
from bundle.handlers.processes import gather_by_turns, is_first_process
from bundle.metrics import classification_rates

logger = logging.getLogger(__name__)

PROTOCOL = (
    "All values on each volume's own grid. auprc, auroc and auroc10 pool the voxels of all annotated patients of a "
    "condition over the whole image, voxels outside the brain ranked last; the _brain columns pool brain voxels only. "
    "auroc10 is the area under the ROC curve up to a false-positive rate of 0.1, divided by 0.1. dice is the mean over "
    "subjects (sd: sample standard deviation) at the one threshold that the calibration chose: of highest pooled Dice, "
    "or bounding the false positives of healthy subjects. "
    "intensity is the z-scored FLAIR under the same protocol. Healthy subjects: false_positive_ml is the mean volume "
    "called anomalous, negative_fraction the mean fraction of brain voxels with a negative attribution. "
    "A lesion (26 neighbours) is detected when at least 10 % of its voxels are called; a false component touches no "
    "lesion voxel."
)


class EvaluationHandler:
    """Evaluate a run over labelled subjects and write the tables that a report is drawn from.

    The files are ``subjects.csv``, ``summary.csv``, ``evaluation.json`` and ``curves.json``: points of the curves, and
    histograms of the first score.

    Items must hold the anomaly map and the mask of every score (:py:func:`bundle.anomaly.map_key`,
    :py:func:`bundle.anomaly.mask_key`), label, condition, subject, logit and, where annotated, the lesion mask, all on
    the grid of the input image; slices also name their patient. The files appear together when the run has completed.

    Several processes share the subjects by turns. The first one gathers what all have measured, in the order of the
    subjects, and writes what one process would have written.

    Args:
        output_dir: folder of the four files.
        threshold_file: thresholds in use; the decision threshold is read from it.
        model_file: weights in use, checked against the threshold file.
        scores: names of the scores to compare; the first one is the method.
        source: name of the data, kept in the record.

    Raises:
        ValueError: While running, when no pathological subject has a mask.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str] | None = None,
        scores: Sequence[str] = (ATTRIBUTION, INTENSITY),
        source: str = "",
    ) -> None:
        self.output_dir = Path(output_dir)
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.scores = tuple(scores)
        self.source = source
        self._thresholds: dict[str, Any] = {}
        self._subjects: list[EvaluatedSubject] = []
        self._histogram = AttributionHistogram()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run and read the thresholds."""
        self._subjects = []
        self._histogram = AttributionHistogram()
        self._thresholds = load_thresholds(self.threshold_file, self.model_file)

    def __call__(self, engine: Engine) -> None:
        """Measure the subjects of one iteration."""
        for item in decollated_items(engine):
            voxels = BrainVoxels.from_item(item, self.scores)
            subject = EvaluatedSubject.from_item(item, voxels, self.scores, self._thresholds["decision"]["logit"])
            self._histogram.add(voxels, self.scores[0], label=int(item[LABEL]), annotated=is_annotated(item))
            self._subjects.append(subject)
            self._log(subject.row)

    def completed(self, engine: Engine) -> None:
        """Gather, summarise and write the files."""
        subjects = gather_by_turns(self._subjects)
        histogram = self._histogram.as_dict()
        self._subjects = []
        if is_first_process():
            self._write(subjects, histogram)

    def _write(self, subjects: Sequence[EvaluatedSubject], histogram: Mapping[str, Any]) -> None:
        annotated = annotated_by_condition(subjects)
        if not annotated:
            raise ValueError(
                "evaluation needs at least one pathological subject with a mask, got 0 among "
                f"{len(subjects)} subjects. Add 'mask' to entries of the datalist."
            )
        rows, thresholds = [subject.row for subject in subjects], self._thresholds["thresholds"]
        summary, curves = condition_rows(annotated, self.scores, thresholds)
        known = ("model_sha256", "thresholds", "decision")
        record = {
            "source": self.source,
            "protocol": PROTOCOL,
            "model_sha256": self._thresholds["model_sha256"],
            "thresholds": thresholds,
            "decision": self._thresholds["decision"],
            "threshold_file": {key: value for key, value in self._thresholds.items() if key not in known},
            "classification": classification_rates(rows),
            "summary": summary + healthy_rows(subjects, self.scores, thresholds),
            "lesions": lesion_rows(annotated, self.scores),
            "volumes": volume_rows(annotated, self.scores),
            "subjects": rows,
        }
        write_text_atomically(self.output_dir / "subjects.csv", csv_text(record["subjects"]))
        write_text_atomically(self.output_dir / "summary.csv", csv_text(record["summary"]))
        drawn = json.dumps(_strict({"curves": curves, "histogram": histogram}))
        write_text_atomically(self.output_dir / "curves.json", drawn + "\n")
        write_text_atomically(self.output_dir / "evaluation.json", json.dumps(_strict(record), indent=4) + "\n")
        logger.info("evaluation of %d subjects written to %s", len(subjects), self.output_dir)

    def _log(self, row: Mapping[str, Any]) -> None:
        check_brain_volume(row["subject"], row["brain_ml"])
        dice_of = "".join(f", Dice {row[f'{name}_dice']:.3f} ({name})" for name in self.scores if f"{name}_dice" in row)
        logger.info("%s (%s): probability %.3f%s", row["subject"], row["condition"], row["probability"], dice_of)


def _strict(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, Mapping):
        return {key: _strict(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
