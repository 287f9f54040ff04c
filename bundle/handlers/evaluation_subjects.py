"""What an evaluation measures of one subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bundle.anomaly import mask_key
from bundle.conventions import CONDITION, LABEL, LOGIT, MASK, PATIENT, SUBJECT
from bundle.handlers.items import BrainVoxels, is_annotated
from bundle.metrics import FPR_MAX, LesionDetection, dice, volume_ml


@dataclass(frozen=True)
class EvaluatedSubject:
    """What is kept of a subject until the run has completed.

    Attributes:
        row: its line of ``subjects.csv``.
        voxels: its brain voxels, of an annotated patient.
        lesions: score -> its lesions and what the score detects of them, of an annotated patient.
    """

    row: dict[str, Any]
    voxels: BrainVoxels | None
    lesions: dict[str, LesionDetection]

    @classmethod
    def from_item(
        cls, item: Mapping[str, Any], voxels: BrainVoxels, scores: Sequence[str], decision_logit: float
    ) -> EvaluatedSubject:
        """Measure a subject.

        Args:
            item: decollated item, see :py:class:`bundle.handlers.EvaluationHandler`.
            voxels: its brain voxels with all scores.
            scores: names of the scores; the first one is the method.
            decision_logit: image logit above which the subject is called pathological.
        """
        row = _row(item, voxels, scores, decision_logit)
        return cls(row, voxels, _lesions(item, scores)) if is_annotated(item) else cls(row, None, {})


def _row(item: Mapping[str, Any], voxels: BrainVoxels, scores: Sequence[str], decision_logit: float) -> dict[str, Any]:
    logit = float(item[LOGIT])
    affine = torch.as_tensor(item[mask_key(scores[0])].affine)
    voxel_ml = volume_ml(torch.ones(1), affine)
    lesion_voxels = int(voxels.lesion.sum()) + voxels.outside_lesion
    row: dict[str, Any] = {
        "subject": str(item[SUBJECT]),
        **({"patient": str(item[PATIENT])} if PATIENT in item else {}),
        "condition": str(item[CONDITION]),
        "label": int(item[LABEL]),
        "decision": int(logit > decision_logit),
        "logit": logit,
        "probability": float(torch.sigmoid(torch.tensor(logit, dtype=torch.float64))),
        "brain_ml": len(voxels.lesion) * voxel_ml,
        "lesion_ml": lesion_voxels * voxel_ml if is_annotated(item) else None,
        "negative_fraction": float((voxels.scores[scores[0]] < 0).float().mean()),
    }
    for name in scores:
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


def _lesions(item: Mapping[str, Any], scores: Sequence[str]) -> dict[str, LesionDetection]:
    mask, affine = torch.as_tensor(item[MASK]), torch.as_tensor(item[mask_key(scores[0])].affine)
    return {name: LesionDetection.from_masks(torch.as_tensor(item[mask_key(name)]), mask, affine) for name in scores}
