"""Draw the curves of training runs: accuracy, the fraction of healthy voxels that are negative, classification loss."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bundle.report.training_curves import draw_training_curves
from scripts.run_labels import add_run_arguments, labelled_runs


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(prog="python -m scripts.plot_training", description=__doc__)
    add_run_arguments(parser)
    args = parser.parse_args(arguments)

    runs = labelled_runs(parser, args)
    try:
        print(draw_training_curves(runs, args.output))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
