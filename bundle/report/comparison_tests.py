"""Which methods differ from Unsup: the tests behind the † of table IV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bundle.metrics.significance import PairedTest, average_seeds, bonferroni, compare_subjects
from bundle.report.comparison_csv import Row, distinct, select
from bundle.report.comparison_rows import REFERENCE, ComparedRow

TESTED = ("dice", "auroc", "auroc10", "auprc")
LEVEL = 0.05  # "95% confidence" (section IV-C)


@dataclass(frozen=True)
class Finding:
    """A method against Unsup in one metric.

    Attributes:
        key: row of the method.
        label: its heading.
        metric: what was compared, subject by subject.
        test: the test, without correction.
        comparisons: tests of this metric in the table, the factor of Bonferroni's correction.
    """

    key: str
    label: str
    metric: str
    test: PairedTest
    comparisons: int

    @property
    def corrected_p(self) -> float:
        """P-value after Bonferroni's correction; NaN when no test was possible."""
        return bonferroni(self.test.p_value, self.comparisons)

    @property
    def significant(self) -> bool:
        """Whether the method differs from Unsup."""
        return not math.isnan(self.corrected_p) and self.corrected_p < LEVEL


def find_differences(subjects: Sequence[Row], rows: Sequence[ComparedRow]) -> list[Finding]:
    """Test every row against Unsup, metric by metric.

    A subject's value is averaged over seeds first. Units are patients: where they have several subjects (slices), the
    mean over these. The paper does not say what it pairs nor what it corrects for; here the factor is the number of
    methods that are tested in a metric.

    Args:
        subjects: rows of ``subjects.csv`` of one cohort and condition.
        rows: rows of the table.

    Raises:
        ValueError: When a method lacks a subject of Unsup or has another, or a subject has two patients.
    """
    patients = patient_of(subjects)
    reference = next(row for row in rows if row.key == REFERENCE)
    findings = []
    for metric in TESTED:
        ours = _values(subjects, reference, metric)
        others = {row: _values(subjects, row, metric) for row in rows if row.key != REFERENCE} if ours else {}
        others = {row: values for row, values in others.items() if values}
        for row, values in others.items():
            try:
                test = compare_subjects(values, ours, patients=patients)
            except ValueError as error:
                raise ValueError(f"{row.label} against Unsup, {metric}, {_place(subjects)}: {error}") from error
            findings.append(Finding(row.key, row.label, metric, test, len(others)))
    return findings


def patient_of(subjects: Sequence[Row]) -> dict[str, str]:
    """Return the patient of every subject; a subject without one is its own.

    Raises:
        ValueError: When a subject has two.
    """
    patients: dict[str, str] = {}
    for row in subjects:
        patient = row["patient"] or row["subject"]
        if patients.setdefault(row["subject"], patient) != patient:
            raise ValueError(
                f"a subject must belong to one patient, {row['subject']!r} belongs to {patients[row['subject']]!r} and "
                f"{patient!r}. Correct subjects.csv."
            )
    return patients


def _values(subjects: Sequence[Row], row: ComparedRow, metric: str) -> dict[str, float]:
    chosen = select(row.of(subjects), score=row.score, metric=metric)
    return average_seeds((entry["subject"], entry["value"]) for entry in chosen)


def _place(subjects: Sequence[Row]) -> str:
    return ", ".join(name for column in ("cohort", "condition") for name in distinct(subjects, column))
