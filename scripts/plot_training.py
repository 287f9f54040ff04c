"""Draw the curves of training runs: accuracy, the fraction of healthy voxels that are negative, classification loss."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bundle.report.training_curves import draw_training_curves


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(prog="python -m scripts.plot_training", description=__doc__)
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="output folders of trainings")
    parser.add_argument("--output", type=Path, required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--labels", nargs="+", help="a name for each run, default: the names of the folders")
    args = parser.parse_args(arguments)

    labels = args.labels or [folder.resolve().name for folder in args.run_dirs]
    if len(labels) != len(args.run_dirs) or len(set(labels)) != len(labels):
        parser.error(
            f"every run must have a label of its own, got {len(args.run_dirs)} runs and the labels "
            f"{', '.join(labels)}; name them with --labels"
        )
    try:
        print(draw_training_curves(dict(zip(labels, args.run_dirs, strict=True)), args.output))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
