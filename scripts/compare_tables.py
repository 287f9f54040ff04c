"""Draw a comparison's tables (Markdown, LaTeX), tests and figures again from its CSV files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bundle.report.comparison import write_comparison


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_tables", description=__doc__)
    parser.add_argument("results_dir", type=Path, help="folder with results.csv and subjects.csv of a comparison")
    parser.add_argument("--output_dir", type=Path, help="default: RESULTS_DIR")
    args = parser.parse_args(arguments)
    try:
        for path in write_comparison(args.results_dir, args.output_dir or args.results_dir):
            print(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
