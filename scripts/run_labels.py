"""Options of scripts that draw training runs: their folders, and a name for each."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folders of trainings, their labels and the picture to write."""
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="output folders of trainings")
    parser.add_argument("--output", type=Path, required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--labels", nargs="+", help="a name for each run, default: the names of the folders")


def labelled_runs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> dict[str, Path]:
    """Return label -> folder; end the program with a message where a run has no label of its own."""
    labels = args.labels or [folder.resolve().name for folder in args.run_dirs]
    if len(labels) != len(args.run_dirs) or len(set(labels)) != len(labels):
        parser.error(
            f"every run must have a label of its own, got {len(args.run_dirs)} runs and the labels "
            f"{', '.join(labels)}; name them with --labels"
        )
    return dict(zip(labels, args.run_dirs, strict=True))
