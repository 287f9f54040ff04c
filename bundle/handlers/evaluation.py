"""Handler that measures decisions and anomaly maps against labels and masks and writes the results table."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from bundle.anomaly import load_thresholds, mask_key
from bundle.conventions import (
    ATTRIBUTION,
    CONDITION,
    HEALTHY,
    INTENSITY,
    LABEL,
    LOGIT,
    MASK,
    PATIENT,
    SUBJECT,
)
from bundle.data.files import csv_text, write_text_atomically
from bundle.handlers.evaluation_curves import AttributionHistogram, dice_over_threshold, ranking_points
from bundle.handlers.items import BrainVoxels, check_brain_volume, decollated_items, is_annotated
from bundle.handlers.processes import gather_by_turns, is_first_process
from bundle.metrics import (
    FPR_MAX,
    LesionDetection,
    RankingCurve,
    classification_rates,
    detection_by_volume,
    dice,
    mean,
    standard_deviation,
    volume_agreement,
    volume_ml,
)

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


@dataclass(frozen=True)
class _Subject:
    """What is kept of a subject until the run has completed.

    Attributes:
        row: its line of ``subjects.csv``.
        voxels: its brain voxels, of an annotated patient.
        lesions: score -> its lesions and what the score detects of them, of an annotated patient.
    """

    row: dict[str, Any]
    voxels: BrainVoxels | None
    lesions: dict[str, LesionDetection]


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
        self._subjects: list[_Subject] = []
        self._rows: list[dict[str, Any]] = []
        self._voxels: dict[str, list[BrainVoxels]] = {}
        self._lesions: dict[tuple[str, str], list[LesionDetection]] = {}
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
            voxels, annotated = BrainVoxels.from_item(item, self.scores), is_annotated(item)
            row = self._row(item, voxels)
            self._histogram.add(voxels, self.scores[0], label=int(item[LABEL]), annotated=annotated)
            self._subjects.append(
                _Subject(row, voxels if annotated else None, self._find_lesions(item) if annotated else {})
            )
            self._log(row)

    def _find_lesions(self, item: Mapping[str, Any]) -> dict[str, LesionDetection]:
        mask, affine = torch.as_tensor(item[MASK]), torch.as_tensor(item[mask_key(self.scores[0])].affine)
        return {
            name: LesionDetection.from_masks(torch.as_tensor(item[mask_key(name)]), mask, affine)
            for name in self.scores
        }

    def completed(self, engine: Engine) -> None:
        """Gather, summarise and write the files."""
        self._take(gather_by_turns(self._subjects))
        histogram = self._histogram.as_dict()
        self._subjects = []
        if is_first_process():
            self._write(histogram)
        self._voxels = {}

    def _take(self, subjects: Sequence[_Subject]) -> None:
        """Sort what was measured by what it goes into."""
        self._rows, self._voxels, self._lesions = [subject.row for subject in subjects], {}, {}
        for subject in subjects:
            condition = subject.row["condition"]
            if subject.voxels is not None:
                self._voxels.setdefault(condition, []).append(subject.voxels)
            for name, found in subject.lesions.items():
                self._lesions.setdefault((condition, name), []).append(found)

    def _write(self, histogram: Mapping[str, Any]) -> None:
        if not self._voxels:
            raise ValueError(
                "evaluation needs at least one pathological subject with a mask, got 0 among "
                f"{len(self._rows)} subjects. Add 'mask' to entries of the datalist."
            )
        summary, curves = self._condition_rows()
        known = ("model_sha256", "thresholds", "decision")
        record = {
            "source": self.source,
            "protocol": PROTOCOL,
            "model_sha256": self._thresholds["model_sha256"],
            "thresholds": self._thresholds["thresholds"],
            "decision": self._thresholds["decision"],
            "threshold_file": {key: value for key, value in self._thresholds.items() if key not in known},
            "classification": classification_rates(self._rows),
            "summary": summary + self._healthy_rows(),
            "lesions": self._lesion_rows(),
            "volumes": self._volume_rows(),
            "subjects": self._rows,
        }
        write_text_atomically(self.output_dir / "subjects.csv", csv_text(record["subjects"]))
        write_text_atomically(self.output_dir / "summary.csv", csv_text(record["summary"]))
        drawn = json.dumps(_strict({"curves": curves, "histogram": histogram}))
        write_text_atomically(self.output_dir / "curves.json", drawn + "\n")
        write_text_atomically(self.output_dir / "evaluation.json", json.dumps(_strict(record), indent=4) + "\n")
        logger.info("evaluation of %d subjects written to %s", len(self._rows), self.output_dir)

    def _log(self, row: Mapping[str, Any]) -> None:
        check_brain_volume(row["subject"], row["brain_ml"])
        dice_of = "".join(f", Dice {row[f'{name}_dice']:.3f} ({name})" for name in self.scores if f"{name}_dice" in row)
        logger.info("%s (%s): probability %.3f%s", row["subject"], row["condition"], row["probability"], dice_of)

    def _row(self, item: Mapping[str, Any], voxels: BrainVoxels) -> dict[str, Any]:
        logit = float(item[LOGIT])
        affine = torch.as_tensor(item[mask_key(self.scores[0])].affine)
        voxel_ml = volume_ml(torch.ones(1), affine)
        lesion_voxels = int(voxels.lesion.sum()) + voxels.outside_lesion
        row: dict[str, Any] = {
            "subject": str(item[SUBJECT]),
            **({"patient": str(item[PATIENT])} if PATIENT in item else {}),
            "condition": str(item[CONDITION]),
            "label": int(item[LABEL]),
            "decision": int(logit > self._thresholds["decision"]["logit"]),
            "logit": logit,
            "probability": float(torch.sigmoid(torch.tensor(logit, dtype=torch.float64))),
            "brain_ml": len(voxels.lesion) * voxel_ml,
            "lesion_ml": lesion_voxels * voxel_ml if is_annotated(item) else None,
            "negative_fraction": float((voxels.scores[self.scores[0]] < 0).float().mean()),
        }
        for name in self.scores:
            prediction = torch.as_tensor(item[mask_key(name)]).cpu()
            row[f"{name}_volume_ml"] = volume_ml(prediction, affine)
            if is_annotated(item):
                curve = voxels.curve(name)
                whole = curve.with_lowest(voxels.outside_lesion, voxels.outside_healthy)
                row[f"{name}_dice"] = dice(prediction, torch.as_tensor(item[MASK]).cpu())
                row[f"{name}_best_dice"] = whole.best_dice()
                row[f"{name}_auprc"] = whole.average_precision()
                row[f"{name}_auroc"] = whole.roc_area()
                row[f"{name}_auroc10"] = whole.roc_area(FPR_MAX)
        return row

    def _condition_rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the summary of every condition and score, and the curves behind it."""
        rows, curves = [], []
        for condition, parts in sorted(self._voxels.items()):
            outside_lesion = sum(part.outside_lesion for part in parts)
            outside_healthy = sum(part.outside_healthy for part in parts)
            subjects = [row for row in self._rows if row["condition"] == condition and row["lesion_ml"] is not None]
            for name in self.scores:
                voxels = [part.sorted_voxels(name) for part in parts]
                brain = RankingCurve.pooled(voxels)
                whole = brain.with_lowest(outside_lesion, outside_healthy)
                threshold = self._thresholds["thresholds"][name]
                curves.append(
                    {
                        "condition": condition,
                        "score": name,
                        **ranking_points(brain, whole),
                        "dice": dice_over_threshold(
                            voxels, [part.outside_lesion for part in parts], brain.thresholds, threshold
                        ),
                    }
                )
                rows.append(
                    {
                        "condition": condition,
                        "score": name,
                        "subjects": len(subjects),
                        "auprc": whole.average_precision(),
                        "auroc": whole.roc_area(),
                        "auroc10": whole.roc_area(FPR_MAX),
                        "auprc_brain": brain.average_precision(),
                        "auroc_brain": brain.roc_area(),
                        "auroc10_brain": brain.roc_area(FPR_MAX),
                        "dice": mean(row[f"{name}_dice"] for row in subjects),
                        "dice_sd": standard_deviation(row[f"{name}_dice"] for row in subjects),
                        "threshold": threshold,
                    }
                )
        return rows, curves

    def _lesion_rows(self) -> list[dict[str, Any]]:
        return [
            {"condition": condition, "score": name, **asdict(part), "sensitivity": part.sensitivity}
            for (condition, name), images in sorted(self._lesions.items())
            for part in detection_by_volume(images)
        ]

    def _volume_rows(self) -> list[dict[str, Any]]:
        rows = []
        for condition, name in sorted(self._lesions):
            subjects = [row for row in self._rows if row["condition"] == condition and row["lesion_ml"] is not None]
            predicted = [row[f"{name}_volume_ml"] for row in subjects]
            agreement = volume_agreement(predicted, [row["lesion_ml"] for row in subjects])
            rows.append({"condition": condition, "score": name, **asdict(agreement)})
        return rows

    def _healthy_rows(self) -> list[dict[str, Any]]:
        healthy = [row for row in self._rows if row["label"] == HEALTHY]
        if not healthy:
            return []
        rows = []
        for name in self.scores:
            row: dict[str, Any] = {"condition": "healthy", "score": name, "subjects": len(healthy)}
            row["threshold"] = self._thresholds["thresholds"][name]
            row["false_positive_ml"] = mean(subject[f"{name}_volume_ml"] for subject in healthy)
            if name == self.scores[0]:
                row["negative_fraction"] = mean(subject["negative_fraction"] for subject in healthy)
            rows.append(row)
        return rows


def _strict(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, Mapping):
        return {key: _strict(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
