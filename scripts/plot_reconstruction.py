"""Draw what trained reconstruction networks make of slices: image, reconstruction and anomaly map.

Each training has a row. Without --subjects the first healthy and the first pathological slice of the section are drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.conventions import HEALTHY, LABEL, PATHOLOGICAL, SUBJECT, TEST
from bundle.data import load_datalist
from bundle.report.reconstruction_figures import draw_reconstructions
from scripts.run_labels import add_run_arguments, labelled_runs


def _chosen(entries: Sequence[Mapping[str, Any]], subjects: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the entries of some subjects, or the first of each class."""
    if not subjects:
        firsts = [next((e for e in entries if e[LABEL] == label), None) for label in (HEALTHY, PATHOLOGICAL)]
        return [entry for entry in firsts if entry is not None]
    found = {entry[SUBJECT]: entry for entry in entries}
    for subject in subjects:
        if subject not in found:
            raise ValueError(f"the section has no subject {subject!r}, but {len(found)} such as {min(found)}")
    return [found[subject] for subject in subjects]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.plot_reconstruction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_run_arguments(parser)
    parser.add_argument("--datalist", type=Path, required=True, help="datalist of slices")
    parser.add_argument("--section", default=TEST, help="section of the datalist, default: %(default)s")
    parser.add_argument("--subjects", nargs="+", default=[], help="slices to draw, default: one of each class")
    args = parser.parse_args(arguments)

    runs = labelled_runs(parser, args)
    try:
        entries = _chosen(load_datalist(args.datalist, args.section), args.subjects)
        print(draw_reconstructions(runs, entries, args.output))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
