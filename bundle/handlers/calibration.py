"""Handler that chooses the thresholds on a validation run and writes the threshold file."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from bundle.anomaly import (
    HEALTHY_ONLY,
    MASKS,
    HealthySubjects,
    HighestScores,
    calibrate_probability,
    check_calibration_rule,
    check_false_positive_bound,
    conformal_rank,
    decision_point,
    map_key,
    save_thresholds,
)
from bundle.conventions import ATTRIBUTION, HEALTHY, INTENSITY, LABEL, LOGIT, PATIENT, SUBJECT
from bundle.handlers.items import BrainVoxels, check_annotated, decollated_items, is_annotated
from bundle.handlers.processes import gather_by_turns, is_first_process
from bundle.metrics import RankingCurve, volume_ml

logger = logging.getLogger(__name__)

FALSE_POSITIVE_ML = 10.0
"""Volume that may be called anomalous in a healthy subject, in millilitres."""

FALSE_POSITIVE_RISK = 0.1
"""Probability with which a new healthy subject may exceed it."""


def person(item: Mapping[str, Any]) -> str:
    """Return who an image shows: its patient where one is named, its subject otherwise."""
    return str(item.get(PATIENT) or item[SUBJECT])


def add_healthy_item(subjects: HealthySubjects, item: Mapping[str, Any], scores: Sequence[str]) -> None:
    """Add the anomaly maps of a healthy item to those of other subjects."""
    subjects.add(person(item), BrainVoxels.from_item(item, scores).scores, _voxel_ml(item, scores[0]))


def _voxel_ml(item: Mapping[str, Any], score: str) -> float:
    return volume_ml(torch.ones(1), torch.as_tensor(item[map_key(score)].affine))


def check_calibration(
    entries: Sequence[Mapping[str, Any]],
    calibration: str = MASKS,
    false_positive_ml: float = FALSE_POSITIVE_ML,
    false_positive_risk: float = FALSE_POSITIVE_RISK,
) -> Sequence[Mapping[str, Any]]:
    """Check that thresholds can be chosen on a section of a datalist.

    Args:
        entries: entries of the section.
        calibration: rule of the thresholds, see :py:class:`ThresholdCalibrationHandler`.
        false_positive_ml: volume that may be called in a healthy subject.
        false_positive_risk: probability with which a new one may exceed it.

    Returns:
        The entries, so that the check can stand before another one.

    Raises:
        ValueError: When an argument is out of its range, the rule ``masks`` has no mask, or the rule ``healthy`` has
            too few healthy subjects for the risk.
    """
    check_calibration_rule(calibration)
    check_false_positive_bound(false_positive_ml, false_positive_risk)
    if not entries:
        raise ValueError("calibration needs a validation section, got 0 images. Leave threshold_file null to read one.")
    if calibration == MASKS:
        check_annotated({"threshold calibration": entries})
    else:
        conformal_rank(len({person(entry) for entry in entries if entry[LABEL] == HEALTHY}), false_positive_risk)
    return entries


@dataclass(frozen=True)
class _Image:
    """What is kept of an image until the run has completed.

    Attributes:
        person: who it shows.
        logit: its image logit.
        label: healthy or pathological.
        voxels: brain voxels, of an annotated patient whose mask is used.
        highest: score -> as many of its highest values as decide on the threshold, of a healthy image.
        voxel_ml: volume of a voxel.
    """

    person: str
    logit: float
    label: int
    voxels: BrainVoxels | None
    highest: dict[str, torch.Tensor]
    voxel_ml: float


class ThresholdCalibrationHandler:
    """Choose one threshold per score, the decision logit and the scaling of the image probability on a validation run.

    The rule ``masks`` takes the threshold of highest Dice over the pooled brain voxels of the annotated patients;
    lesion voxels outside the brain count as missed. The rule ``healthy`` takes the one that bounds the false positives
    of a new healthy subject, see :py:mod:`bundle.anomaly.conformal`, and needs no mask. The second is kept beside the
    first where there are enough healthy subjects.

    The decision logit is the one of highest balanced accuracy over all images, see
    :py:func:`bundle.anomaly.decision_point`; the probability is scaled by
    :py:func:`bundle.anomaly.calibrate_probability`. The file is written once, when the run has completed. Several
    processes share the images by turns; the first one gathers what all have kept and writes the file of one process.

    Args:
        threshold_file: the JSON file to write, see :py:func:`bundle.anomaly.save_thresholds`.
        model_file: weights in use; their hash goes into the file.
        scores: names of the anomaly maps to calibrate; each item must hold ``map_key(name)``.
        source: name of the data, kept in the file.
        calibration: rule of the thresholds in use, ``masks`` or ``healthy``.
        false_positive_ml: volume that may be called in a healthy subject.
        false_positive_risk: probability with which a new healthy subject may exceed it.

    Raises:
        ValueError: When an argument is out of its range; while running, when the rule has not the subjects it needs.
    """

    def __init__(
        self,
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        scores: Sequence[str] = (ATTRIBUTION, INTENSITY),
        source: str = "",
        calibration: str = MASKS,
        false_positive_ml: float = FALSE_POSITIVE_ML,
        false_positive_risk: float = FALSE_POSITIVE_RISK,
    ) -> None:
        check_calibration_rule(calibration)
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.scores = tuple(scores)
        self.source = source
        self.calibration = calibration
        check_false_positive_bound(false_positive_ml, false_positive_risk)
        self.bound = (false_positive_ml, false_positive_risk)
        self._images: list[_Image] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run."""
        self._images = []

    def __call__(self, engine: Engine) -> None:
        """Collect what one iteration tells: decisions, healthy images, and the voxels of the annotated patients."""
        self._images += [self._image(item) for item in decollated_items(engine)]

    def completed(self, engine: Engine) -> None:
        """Choose the thresholds and write the file."""
        images = gather_by_turns(self._images)
        self._images = []
        if is_first_process():
            self._write(images)
        idist.barrier()  # the others go on to read the file

    def _image(self, item: Mapping[str, Any]) -> _Image:
        voxel_ml, highest, voxels = _voxel_ml(item, self.scores[0]), {}, None
        if int(item[LABEL]) == HEALTHY:
            for name, values in BrainVoxels.from_item(item, self.scores).scores.items():
                highest[name] = HighestScores.from_scores(values, voxel_ml, self.bound[0]).scores
        elif self.calibration == MASKS and is_annotated(item):
            voxels = BrainVoxels.from_item(item, self.scores)
        return _Image(person(item), float(item[LOGIT]), int(item[LABEL]), voxels, highest, voxel_ml)

    def _write(self, images: Sequence[_Image]) -> None:
        healthy = HealthySubjects(*self.bound)
        for image in images:
            if image.label == HEALTHY:
                healthy.add(image.person, image.highest, image.voxel_ml)
        facts: dict[str, Any] = {"source": self.source, "subjects": len(images)}
        if self.calibration == MASKS:
            voxels = [image.voxels for image in images if image.voxels is not None]
            thresholds, masks = self._by_masks(voxels, len(images))
            facts.update(masks)
            healthy_only = self._healthy_only_or_none(healthy)
        else:
            healthy_only = healthy.record(self.scores)
            thresholds = healthy_only["thresholds"]
            self._log_healthy_only(healthy_only)
        logits, labels = [image.logit for image in images], [image.label for image in images]
        logit = decision_point(logits, labels)
        logger.info("decision: pathological above logit %.4g", logit)
        save_thresholds(
            self.threshold_file,
            self.model_file,
            thresholds,
            facts,
            logit,
            calibration=self.calibration,
            healthy_only=healthy_only,
            probability=calibrate_probability(logits, labels),
        )
        logger.info("thresholds written to %s", self.threshold_file)

    def _by_masks(self, voxels: Sequence[BrainVoxels], subjects: int) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the thresholds of highest pooled Dice, and what they were chosen on."""
        if not voxels:
            raise ValueError(
                f"threshold calibration needs at least one pathological subject with a mask, got 0 among {subjects} "
                f"subjects. Add 'mask' to entries of the datalist, or set calibration to {HEALTHY_ONLY!r}."
            )
        lesion_voxels = sum(int(part.lesion.sum()) for part in voxels)
        missed = sum(part.outside_lesion for part in voxels)
        if lesion_voxels == 0:
            raise ValueError(
                f"threshold calibration needs lesion voxels in the brain, got 0 of {missed}. Check the masks' grid."
            )
        thresholds, dice = {}, {}
        for name in self.scores:
            curve = RankingCurve.pooled([part.sorted_voxels(name) for part in voxels])
            thresholds[name], dice[name] = curve.operating_point(missed=missed)
            logger.info("threshold of %s: %.6g (pooled Dice %.3f)", name, thresholds[name], dice[name])
        return thresholds, {
            "annotated_subjects": len(voxels),
            "lesion_voxels": lesion_voxels + missed,
            "pooled_dice": dice,
        }

    def _healthy_only_or_none(self, healthy: HealthySubjects) -> dict[str, Any] | None:
        """Return the thresholds from healthy subjects alone where there are enough of them."""
        try:
            return healthy.record(self.scores)
        except ValueError as error:
            logger.info("no thresholds from healthy subjects alone: %s", error)
            return None

    def _log_healthy_only(self, record: Mapping[str, Any]) -> None:
        for name, threshold in record["thresholds"].items():
            logger.info(
                "threshold of %s: %.6g (over %g ml in a new healthy subject with a probability of at most %g, from %d)",
                name,
                threshold,
                record["false_positive_ml"],
                record["false_positive_risk"],
                record["subjects"],
            )
