"""Test the map of an evaluation against its baselines, subject by subject, and print a Markdown table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bundle.metrics.significance import bonferroni
from bundle.report.evaluation_run import EvaluationRun, read_evaluation
from bundle.report.evaluation_verdict import score_tests
from bundle.report.tables import markdown_table

COLUMNS = {
    "condition": "Condition",
    "score": "Score",
    "baseline": "Baseline",
    "metric": "Measure",
    "units": "Subjects",
    "difference": "Difference of means (95 % interval)",
    "p_value": "p",
}
NOTE = (
    "Measures of single subjects. p: two-sided paired permutation test of the mean difference, corrected after "
    "Bonferroni for the baselines of a condition."
)


def comparison_rows(run: EvaluationRun, score: str) -> list[dict[str, str]]:
    """Return a row for each condition, other score and measure, Dice first.

    Raises:
        ValueError: When the score was not evaluated, or is the only one.
    """
    others = [name for name in run.scores if name != score]
    if score not in run.scores or not others:
        raise ValueError(f"{run.folder}: the score must be one of several, got {score!r} of {', '.join(run.scores)}")
    rows = [
        {
            "condition": found.condition,
            "score": score,
            "baseline": other,
            "metric": found.metric,
            "units": str(found.test.units),
            "difference": f"{found.test.difference:+.3f} ({found.test.low:+.3f} to {found.test.high:+.3f})",
            "p_value": f"{bonferroni(found.test.p_value, len(others)):.4f}",
        }
        for other in others
        for found in score_tests(run, score, other)
    ]
    return sorted(rows, key=lambda row: (row["condition"], others.index(row["baseline"]), row["metric"] != "Dice"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_scores", description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="output_dir of evaluate.yaml")
    parser.add_argument(
        "--score", default="attribution", help="what the others are compared with, default: %(default)s"
    )
    args = parser.parse_args(arguments)
    try:
        rows = comparison_rows(read_evaluation(args.run_dir), args.score)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{markdown_table(COLUMNS, rows)}\n\n{NOTE}")


if __name__ == "__main__":
    main()
