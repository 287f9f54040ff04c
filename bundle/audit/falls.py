"""How far the image logit falls when regions of patients are filled: by subject, by condition, and against controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bundle.metrics.significance import RESAMPLES, compare_subjects
from bundle.metrics.summary import mean, standard_deviation

ALL = "all conditions"


@dataclass(frozen=True)
class SubjectFalls:
    """Image logits of one patient that was called pathological, before and after regions were filled.

    Attributes:
        subject: identifier of the image.
        patient: identifier of the person.
        condition: condition of the subject.
        logit: image logit of the image itself.
        anomaly_ml: volume of the called anomaly.
        anomaly: image logit with the anomaly filled.
        controls: image logits with each of its control regions filled instead, at least one.
        lesion_ml: volume of the true lesion; None where it is not known.
        lesion: image logit with the true lesion filled; None where it is not known or is empty.
    """

    subject: str
    patient: str
    condition: str
    logit: float
    anomaly_ml: float
    anomaly: float
    controls: tuple[float, ...]
    lesion_ml: float | None = None
    lesion: float | None = None

    @property
    def anomaly_fall(self) -> float:
        """Fall of the logit by the anomaly, positive where the anomaly speaks for pathology."""
        return self.logit - self.anomaly

    @property
    def control_falls(self) -> list[float]:
        """Fall of the logit by each control region."""
        return [self.logit - control for control in self.controls]

    @property
    def lesion_fall(self) -> float | None:
        """Fall of the logit by the true lesion."""
        return None if self.lesion is None else self.logit - self.lesion

    def record(self) -> dict[str, Any]:
        """Return the subject as a row of a table, with falls beside the logits."""
        return {
            **{key: value for key, value in asdict(self).items() if key not in ("anomaly", "controls", "lesion")},
            "anomaly_fall": self.anomaly_fall,
            "control_falls": self.control_falls,
            "control_fall": mean(self.control_falls),
            "lesion_fall": self.lesion_fall,
        }

    def region_rows(self) -> list[dict[str, Any]]:
        """Return one row for each region that was filled; a control is as large as the anomaly."""
        regions = [("anomaly", self.anomaly_ml, self.anomaly)]
        regions += [(f"control {number}", self.anomaly_ml, logit) for number, logit in enumerate(self.controls, 1)]
        if self.lesion is not None and self.lesion_ml is not None:
            regions.append(("lesion", self.lesion_ml, self.lesion))
        who = {"subject": self.subject, "patient": self.patient, "condition": self.condition, "logit": self.logit}
        return [
            {**who, "region": region, "volume_ml": volume, "filled_logit": logit, "fall": self.logit - logit}
            for region, volume, logit in regions
        ]


def summarise_falls(
    subjects: Sequence[SubjectFalls], decision_logit: float, *, resamples: int = RESAMPLES
) -> list[dict[str, Any]]:
    """Summarise falls, first over all subjects, then, where there are several conditions, by condition.

    A row holds ``condition``, ``subjects``, ``patients``; mean and sample standard deviation over subjects of the falls
    by ``anomaly``, ``control`` (the mean over a subject's controls) and ``lesion``; ``exceeds_all``, the share of
    subjects whose anomaly's fall is larger than that of every control; ``anomaly_turned``, ``control_turned`` and
    ``lesion_turned``, the share of decisions that turn to healthy, of controls the mean share over a subject's; and
    ``test``, a paired permutation test of anomaly against control over patients. None stands for what is not known.

    Args:
        subjects: at least one subject.
        decision_logit: a subject is called pathological above it.
        resamples: exchanges of the test.

    Raises:
        ValueError: When there is no subject.
    """
    if not subjects:
        raise ValueError("a summary of falls needs at least one patient called pathological, got 0.")
    conditions = sorted({subject.condition for subject in subjects})
    groups = {ALL if len(conditions) > 1 else conditions[0]: list(subjects)}
    groups |= {name: [subject for subject in subjects if subject.condition == name] for name in conditions}
    return [_summary(name, group, decision_logit, resamples) for name, group in groups.items()]


def _summary(condition: str, subjects: Sequence[SubjectFalls], decision_logit: float, resamples: int) -> dict[str, Any]:
    falls: dict[str, list[float | None]] = {
        "anomaly": [subject.anomaly_fall for subject in subjects],
        "control": [mean(subject.control_falls) for subject in subjects],
        "lesion": [subject.lesion_fall for subject in subjects],
    }
    row: dict[str, Any] = {
        "condition": condition,
        "subjects": len(subjects),
        "patients": len({subject.patient for subject in subjects}),
    }
    for region, values in falls.items():
        row[f"{region}_fall"], row[f"{region}_fall_sd"] = mean(values), standard_deviation(values)
    row["exceeds_all"] = mean(float(subject.anomaly_fall > max(subject.control_falls)) for subject in subjects)
    row["anomaly_turned"] = mean(float(subject.anomaly <= decision_logit) for subject in subjects)
    row["control_turned"] = mean(
        mean(float(control <= decision_logit) for control in subject.controls) for subject in subjects
    )
    row["lesion_turned"] = mean(
        float(subject.lesion <= decision_logit) for subject in subjects if subject.lesion is not None
    )
    test = compare_subjects(
        {subject.subject: subject.anomaly_fall for subject in subjects},
        {subject.subject: mean(subject.control_falls) for subject in subjects},
        patients={subject.subject: subject.patient for subject in subjects},
        resamples=resamples,
    )
    return {**_known(row), "test": _known(asdict(test))}


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with None for NaN, which JSON does not know."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
