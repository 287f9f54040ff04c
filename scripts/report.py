"""Draw the report of an evaluation: report.html, which opens in any browser, and its figures as PNG and SVG."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bundle.report.page import write_report


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="output_dir of evaluate.yaml")
    args = parser.parse_args(arguments)
    try:
        print(write_report(args.run_dir))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
