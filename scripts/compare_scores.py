"""Test the map of an evaluation against its baselines, subject by subject, and print a Markdown table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bundle.metrics.significance import bonferroni, compare_subjects
from bundle.report.evaluation_run import EvaluationRun, read_evaluation

METRICS = {"dice": "Dice", "auprc": "AUPRC"}
HEADER = ["Condition", "Score", "Baseline", "Measure", "Subjects", "Difference of means (95 % interval)", "p"]
NOTE = (
    "Measures of single subjects. p: two-sided paired permutation test of the mean difference, corrected after "
    "Bonferroni for the baselines of a condition."
)


def comparison_rows(run: EvaluationRun, score: str) -> Iterator[list[str]]:
    """Yield a row for each condition, other score and measure.

    Raises:
        ValueError: When the score was not evaluated, or is the only one.
    """
    others = [name for name in run.scores if name != score]
    if score not in run.scores or not others:
        raise ValueError(f"{run.folder}: the score must be one of several, got {score!r} of {', '.join(run.scores)}")
    for condition in run.conditions:
        subjects = run.annotated(condition)
        patients = {row["subject"]: row.get("patient") or row["subject"] for row in subjects}
        for other in others:
            for metric, title in METRICS.items():
                first, second = (
                    {row["subject"]: float(row[f"{name}_{metric}"]) for row in subjects} for name in (score, other)
                )
                test = compare_subjects(first, second, patients=patients)
                interval = f"{test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f})"
                p_value = f"{bonferroni(test.p_value, len(others)):.4f}"
                yield [condition, score, other, title, str(test.units), interval, p_value]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_scores", description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="output_dir of evaluate.yaml")
    parser.add_argument(
        "--score", default="attribution", help="what the others are compared with, default: %(default)s"
    )
    args = parser.parse_args(arguments)
    try:
        rows = list(comparison_rows(read_evaluation(args.run_dir), args.score))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    for row in (HEADER, ["---"] * len(HEADER), *rows):
        print(f"| {' | '.join(row)} |")
    print(f"\n{NOTE}")


if __name__ == "__main__":
    main()
