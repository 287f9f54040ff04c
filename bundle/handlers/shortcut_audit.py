"""Handler that asks whether decisions rest on the anomalies that were called: fill these and see the logit fall."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.networks.utils import eval_mode
from monai.transforms import ResampleToMatch
from numpy.typing import NDArray
from scipy import ndimage

from bundle.anomaly import load_thresholds, mask_key
from bundle.audit import SubjectFalls, control_regions, fill_region, free_tissue, summarise_falls
from bundle.conventions import (
    ATTRIBUTION,
    CONDITION,
    IMAGE,
    LABEL,
    LOGIT,
    MASK,
    PATHOLOGICAL,
    SUBJECT,
    split_prediction,
)
from bundle.data.files import csv_text, write_text_atomically
from bundle.handlers.calibration import person
from bundle.handlers.items import decollated_items, is_annotated
from bundle.metrics import volume_ml

logger = logging.getLogger(__name__)

Mask = NDArray[np.bool_]

PROTOCOL = (
    "Patients that are called pathological, on the network's own input. The called anomaly is filled with "
    "healthy-looking tissue: that of the mirrored place in the other hemisphere, made as bright as the surroundings, "
    "or, where that is not healthy, the smoothed surroundings with their texture. The fall is the image logit before "
    "minus after. Control regions have as many voxels in much the same shape, lie at random places of the brain away "
    "from the anomaly and, where it is known, the true lesion, and are filled in the same way. Tests are over patients."
)


class ShortcutAuditHandler:
    """Fill what was called anomalous in patients, and control regions, and write how far the image logit falls.

    Everything happens on the network's own input, so nothing but the region changes. Items must hold the network's
    input, logit, label, condition, subject, the anomaly mask of the score (:py:func:`bundle.anomaly.mask_key`) and,
    where known, the lesion mask; the masks may be on another grid. Healthy items and patients that are called healthy
    are not filled. ``audit.json`` and ``audit.csv`` appear when the run has completed.

    Args:
        network: the network that decides.
        output_dir: folder of the two files, that of the evaluation.
        threshold_file: thresholds in use; the decision threshold is read from it.
        model_file: weights in use, checked against the threshold file.
        score: score whose anomaly is filled.
        draws: control regions of each patient.
        seed: seed of the controls' places and of the filling's texture.
        batch_size: filled images in one forward pass.
        source: name of the data, kept in the record.

    Raises:
        ValueError: When ``draws`` or ``batch_size`` is below 1; while running, when no patient is called pathological,
            or none of them can be filled.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        output_dir: str | os.PathLike[str],
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str] | None = None,
        score: str = ATTRIBUTION,
        draws: int = 10,
        seed: int = 0,
        batch_size: int = 4,
        source: str = "",
    ) -> None:
        if draws < 1 or batch_size < 1:
            raise ValueError(f"draws and batch_size must be at least 1, got {draws} and {batch_size}.")
        self.network = network
        self.output_dir = Path(output_dir)
        self.threshold_file = threshold_file
        self.model_file = model_file
        self.score = score
        self.draws = draws
        self.seed = seed
        self.batch_size = batch_size
        self.source = source
        self._thresholds: dict[str, Any] = {}
        self._falls: list[SubjectFalls] = []
        self._left_out: list[dict[str, str]] = []
        self._patients = 0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget an earlier run and read the thresholds."""
        self._falls, self._left_out, self._patients = [], [], 0
        self._thresholds = load_thresholds(self.threshold_file, self.model_file)

    def __call__(self, engine: Engine) -> None:
        """Fill the patients of one iteration."""
        for item in decollated_items(engine):
            if int(item[LABEL]) != PATHOLOGICAL:
                continue
            self._patients += 1
            if float(item[LOGIT]) > self._decision:
                self._audit(item)

    def completed(self, engine: Engine) -> None:
        """Summarise and write the files."""
        called = len(self._falls) + len(self._left_out)
        if not called:
            raise ValueError(
                f"an audit needs patients that are called pathological, got 0 of {self._patients} above the logit "
                f"{self._decision:.4g}; audit weights that find patients"
            )
        if not self._falls:
            first = self._left_out[0]
            raise ValueError(
                f"an audit needs a patient whose anomaly can be filled and compared, got 0 of {called} called "
                f"pathological ({first['subject']}: {first['reason']})"
            )
        record = {
            "source": self.source,
            "protocol": PROTOCOL,
            "model_sha256": self._thresholds["model_sha256"],
            "score": self.score,
            "threshold": self._thresholds["thresholds"][self.score],
            "decision": self._thresholds["decision"],
            "draws": self.draws,
            "seed": self.seed,
            "pathological": self._patients,
            "called": called,
            "summary": summarise_falls(self._falls, self._decision),
            "left_out": self._left_out,
            "subjects": [subject.record() for subject in self._falls],
        }
        regions = [row for subject in self._falls for row in subject.region_rows()]
        write_text_atomically(self.output_dir / "audit.csv", csv_text(regions))
        write_text_atomically(self.output_dir / "audit.json", json.dumps(record, indent=4, allow_nan=False) + "\n")
        logger.info("audit of %d subjects written to %s", len(self._falls), self.output_dir)

    @property
    def _decision(self) -> float:
        return float(self._thresholds["decision"]["logit"])

    def _audit(self, item: Mapping[str, Any]) -> None:
        """Fill the regions of one patient, or note why that is not possible."""
        subject, condition = str(item[SUBJECT]), str(item[CONDITION])
        image = torch.as_tensor(item[IMAGE]).detach().cpu().numpy()
        brain = ndimage.binary_fill_holes((image != 0).any(axis=0))  # inside, the median is zero as well
        anomaly, lesion = (mask & brain for mask in _masks(item, mask_key(self.score)))
        rng = np.random.default_rng([self.seed, zlib.crc32(subject.encode())])  # whichever subjects come before
        try:
            controls = control_regions(anomaly, free_tissue(brain, anomaly | lesion), self.draws, rng)
            regions = [anomaly, *controls, *([lesion] if lesion.any() else [])]
            filled = [[fill_region(part, brain, region, anomaly | lesion, rng) for part in image] for region in regions]
        except ValueError as error:
            self._left_out.append({SUBJECT: subject, CONDITION: condition, "reason": str(error)})
            logger.warning("%s (%s) is left out of the audit: %s", subject, condition, error)
            return
        logits = self._logits(torch.from_numpy(np.array(filled)).to(item[IMAGE].device))
        affine = torch.as_tensor(item[mask_key(self.score)].affine)
        self._falls.append(
            SubjectFalls(
                subject=subject,
                patient=person(item),
                condition=condition,
                logit=float(item[LOGIT]),
                anomaly_ml=volume_ml(torch.as_tensor(item[mask_key(self.score)]), affine),
                anomaly=logits[0],
                controls=tuple(logits[1 : 1 + len(controls)]),
                lesion_ml=volume_ml(torch.as_tensor(item[MASK]), affine) if is_annotated(item) else None,
                lesion=logits[-1] if lesion.any() else None,
            )
        )

    def _logits(self, images: torch.Tensor) -> list[float]:
        """Return the image logits of images, ``(N, C, *spatial)``."""
        with eval_mode(self.network), torch.no_grad():
            parts = [split_prediction(self.network(part))[1] for part in images.split(self.batch_size)]
        return [float(logit) for logit in torch.cat(parts).flatten()]


def _masks(item: Mapping[str, Any], key: str) -> tuple[Mask, Mask]:
    """Return the called anomaly and the true lesion, empty where it is not known, on the grid of the input."""
    to_input = ResampleToMatch(mode="nearest", padding_mode="zeros")
    masks = [item[key], item[MASK] if is_annotated(item) else torch.zeros_like(item[key])]
    anomaly, lesion = (torch.as_tensor(to_input(mask.float(), item[IMAGE])).cpu().numpy()[0] > 0.5 for mask in masks)
    return anomaly, lesion
