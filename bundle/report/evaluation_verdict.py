"""What an evaluation shows, in numbers and plain words: decisions, overlap, and the method against the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bundle.handlers.items import BRAIN_ML_MAX
from bundle.metrics.significance import PairedTest, compare_subjects, smallest_p
from bundle.report.comparison_tests import LEVEL
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.html_parts import number, plus_minus

_METRICS = {"auprc": "AUPRC", "dice": "Dice"}


@dataclass(frozen=True)
class BaselineTest:
    """The method against the baseline in one condition and metric, subject by subject.

    Attributes:
        condition: condition of the subjects.
        metric: name of the metric.
        test: the test, method minus baseline.
    """

    condition: str
    metric: str
    test: PairedTest

    @property
    def outcome(self) -> str:
        """Say in one word or a few what was found: better, worse, no difference shown, or no test."""
        if math.isnan(self.test.p_value):
            return "no test"
        if self.test.p_value >= LEVEL:
            return "no difference shown"
        return "better" if self.test.difference > 0 else "worse"

    @property
    def explanation(self) -> str:
        """Return the numbers behind the outcome, or why there are none."""
        test = self.test
        if math.isnan(test.p_value):
            return f"no test: {test.reason}"
        words = f"p = {test.p_value:.3g}, 95 % interval {number(test.low)} to {number(test.high)}, {test.units} units"
        if smallest_p(test.units) >= LEVEL:
            words += f"; with {test.units} units no p below {smallest_p(test.units):.3g} is possible"
        return words


def baseline_tests(run: EvaluationRun) -> list[BaselineTest]:
    """Compare the method with the baseline by paired permutation tests over patients; empty without a baseline."""
    return [] if run.baseline is None else score_tests(run, run.method, run.baseline)


def score_tests(run: EvaluationRun, method: str, baseline: str) -> list[BaselineTest]:
    """Compare two scores of an evaluation by paired permutation tests over patients, in every condition and metric."""
    tests = []
    for condition in run.conditions:
        rows = run.annotated(condition)
        patients = {row["subject"]: row.get("patient", row["subject"]) for row in rows}
        for metric, label in _METRICS.items():
            first, second = (
                {row["subject"]: _float(row.get(f"{score}_{metric}")) for row in rows} for score in (method, baseline)
            )
            tests.append(BaselineTest(condition, label, compare_subjects(first, second, patients=patients)))
    return tests


def key_numbers(run: EvaluationRun) -> list[tuple[str, str, str]]:
    """Return the numbers that come first: each a value, what it is, and a remark."""
    rates = run.record["classification"]
    numbers = [
        (number(rates["tpr"]), "Called pathological (TPR)", _share(run.subjects, 1, "patients")),
        (number(rates["tnr"]), "Called healthy (TNR)", _share(run.subjects, 0, "healthy subjects")),
    ]
    for row in run.record["summary"]:
        if row["score"] == run.method and "dice" in row:
            kind = f"Dice, {row['condition']}"
            numbers.append((plus_minus(row["dice"], row["dice_sd"]), kind, f"mean ± sd of {_count(row['subjects'])}"))
    return numbers


def verdict(run: EvaluationRun, tests: Sequence[BaselineTest]) -> list[str]:
    """Return the findings as sentences."""
    return list(_sentences(run, tests))


def _sentences(run: EvaluationRun, tests: Sequence[BaselineTest]) -> Iterator[str]:
    rates = run.record["classification"]
    logit = run.record["decision"]["logit"]
    yield (
        f"{_count(len(run.subjects))}: {rates['pathological_subjects']} pathological, {rates['healthy_subjects']} "
        f"healthy. A subject is called pathological above the logit {number(logit)}. "
        f"{_rate(run.subjects, 1, 'patients', 'TPR', rates['tpr'])} "
        f"{_rate(run.subjects, 0, 'healthy subjects', 'TNR', rates['tnr'])}"
    )
    summary = {(row["condition"], row["score"]): row for row in run.record["summary"]}
    for condition in run.conditions:
        own = summary[condition, run.method]
        sentence = (
            f"{condition}, {_count(own['subjects'])}: Dice {plus_minus(own['dice'], own['dice_sd'])} and pooled AUPRC "
            f"{number(own['auprc'])}"
        )
        if run.baseline is None:
            yield f"{sentence}. No intensity baseline was evaluated."
            continue
        other = summary[condition, run.baseline]
        yield (
            f"{sentence}; the threshold on plain intensity gives Dice {plus_minus(other['dice'], other['dice_sd'])} "
            f"and AUPRC {number(other['auprc'])}. "
            + " ".join(_compared(test) for test in tests if test.condition == condition)
        )
    large = sum(row["brain_ml"] > BRAIN_ML_MAX for row in run.subjects)
    if large:
        yield (
            f"In {_count(large)} more of the image is not zero than a brain can fill ({BRAIN_ML_MAX:.0f} ml): extract "
            "the brain first, maps of an image with skull mean little."
        )
    healthy = summary.get(("healthy", run.method))
    if healthy and "false_positive_ml" in healthy:
        yield (
            f"Healthy subjects: {number(healthy['false_positive_ml'])} ml are called anomalous on average, and "
            f"{number(healthy['negative_fraction'])} of the brain voxels speak for health."
        )


def _compared(test: BaselineTest) -> str:
    words = {
        "better": "the method beats intensity",
        "worse": "the method is worse than intensity",
        "no difference shown": "no difference is shown",
        "no test": "nothing can be said",
    }[test.outcome]
    gap = "" if math.isnan(test.test.difference) else f"{test.test.difference:+.3f} on average, "
    return f"{test.metric} subject by subject: {gap}{words} ({test.explanation})."


def _rate(rows: Sequence[dict[str, Any]], label: int, what: str, name: str, value: float | None) -> str:
    if value is None:
        return f"There are no {what}, so nothing is known about them."
    return f"{_share(rows, label, what)} are called rightly ({name} {number(value)})."


def _share(rows: Sequence[dict[str, Any]], label: int, what: str) -> str:
    chosen = [row for row in rows if row["label"] == label]
    right = sum(row["decision"] == label for row in chosen)
    return f"{right} of {len(chosen)} {what}" if chosen else f"no {what}"


def _count(subjects: int) -> str:
    return f"{subjects} subject" + ("" if subjects == 1 else "s")


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
