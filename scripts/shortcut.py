"""Draw the shortcut experiment from the cells of its comparison: what is lost when scanner and class are not tied.

Reads cells.csv in RESULTS_DIR, where scripts.compare wrote the tables of configs/compare/shortcut.yaml, and the cells
that it names. Writes shortcut.md, shortcut.csv (a row for each tie and method), shortcut_seeds.csv (a row for each
training), shortcut.png and shortcut.svg.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from bundle.compare.shortcut import read_shortcut, summarise_shortcut
from bundle.compare.tables import write_table
from bundle.data.files import write_text_atomically
from bundle.report.figure_files import save_figure
from bundle.report.shortcut import shortcut_figure, shortcut_markdown


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.shortcut", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="folder of the comparison's tables")
    parser.add_argument(
        "--work_dir", type=Path, default=Path("runs/compare"), help="folder of all cells, default: %(default)s"
    )
    parser.add_argument("--output_dir", type=Path, help="default: RESULTS_DIR")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    output_dir = args.output_dir or args.results_dir
    try:
        runs = read_shortcut(args.results_dir, args.work_dir)
        seeds, summary = [run.row() for run in runs], summarise_shortcut(runs)
        text, figure = shortcut_markdown(summary), shortcut_figure(seeds, summary)
        for name, rows in (("shortcut", summary), ("shortcut_seeds", seeds)):
            write_table(output_dir / f"{name}.csv", list(dict.fromkeys(key for row in rows for key in row)), rows)
        write_text_atomically(output_dir / "shortcut.md", text)
        save_figure(figure, output_dir, "shortcut")
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    print(text)
    print(output_dir)


if __name__ == "__main__":
    main()
