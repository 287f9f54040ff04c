"""Train and evaluate the methods of a plan side by side, and write tidy tables of the results.

A plan, such as those in configs/compare, names cohorts, methods, training attributions, seeds and inference
attributions. Every combination is a training and an evaluation by configs/train.yaml and configs/evaluate.yaml, each in
a folder of work_dir that is named by all it depends on: configs, values, data and code. What is there already is not
run again, whichever plan it was run for, and a comparison that was stopped or killed is resumed by the same command.

Writes results.csv, subjects.csv, cells.csv and, from the maps that evaluations keep, agreement.csv,
dice_over_threshold.csv and attribution_histograms.csv to output_dir. The exit status is 1 when a combination failed.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from bundle.compare import (
    CACHED,
    DONE,
    FAILED,
    CellRunner,
    Combination,
    FileHashes,
    Outcome,
    load_plan,
    make_combinations,
    write_tables,
)
from bundle.preflight import check_output_dir
from bundle.report import write_comparison

logger = logging.getLogger("scripts.compare")


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plan", type=Path, help="plan (.yaml), see configs/compare")
    parser.add_argument("--output_dir", type=Path, help="folder of the tables, default: output/compare/PLAN")
    parser.add_argument(
        "--work_dir", type=Path, default=Path("runs/compare"), help="folder of all cells, default: %(default)s"
    )
    parser.add_argument("--workers", type=int, default=1, help="cells that run at once, default: %(default)s")
    parser.add_argument("--cohorts", nargs="+", default=[], help="cohorts of the plan to take, default: all")
    parser.add_argument("--methods", nargs="+", default=[], help="methods of the plan to take, default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[], help="seeds of the plan to take, default: all")
    parser.add_argument("--dry_run", action="store_true", help="print the cells and run none")
    return parser


def _print_cells(combinations: list[Combination]) -> None:
    """Print every cell, its folder and whether it is complete."""
    cells = [cell for combination in combinations for cell in combination.cells]
    for cell in cells:
        print(f"{'cached' if cell.is_complete() else 'to do '}  {cell.folder.name}  {cell.name}")
    print(f"{len(cells)} cells, {sum(cell.is_complete() for cell in cells)} of them cached")


def _run(combinations: list[Combination], workers: int) -> bool:
    """Run the cells with a progress bar and a line for each; say whether all went well."""
    with logging_redirect_tqdm(), tqdm(total=2 * len(combinations), desc="cells", unit="cell") as bar:

        def report(outcome: Outcome) -> None:
            bar.update()
            if outcome.state == DONE:
                logger.info("%s: done in %.0f s", outcome.cell.name, outcome.seconds)
            elif outcome.state == CACHED:
                logger.info("%s: cached", outcome.cell.name)
            else:
                logger.error("%s: %s: %s", outcome.cell.name, outcome.state, outcome.reason)

        outcomes = CellRunner(workers, report).run(combinations)
    failed = [outcome for outcome in outcomes if outcome.state == FAILED]
    for outcome in failed:
        logger.error("failed: %s: %s", outcome.cell.name, outcome.reason)
    return all(outcome.state in (DONE, CACHED) for outcome in outcomes)


def _draw(output_dir: Path) -> bool:
    """Lay the tables out as the paper's and draw its figures; say whether it could be done."""
    try:
        write_comparison(output_dir, output_dir)
    except (ValueError, OSError) as error:  # the CSV files stand, and scripts.compare_tables draws them again
        logger.error("no comparison tables: %s", error)
        return False
    return True


def _terminate(number: int, frame: object) -> NoReturn:
    """End on SIGTERM as on Ctrl-C, so that the processes are stopped."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run the plan and write the tables."""
    parser = _parser()
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    output_dir = args.output_dir or Path("output/compare") / args.plan.stem
    try:
        if args.workers < 1:
            raise ValueError(f"workers must be at least 1, got {args.workers}")
        check_output_dir(output_dir)
        check_output_dir(args.work_dir)
        plan = load_plan(args.plan).selected(args.cohorts, args.methods, args.seeds)
        hashes = FileHashes(args.work_dir / "file_hashes.json")
        combinations = make_combinations(plan, args.work_dir.resolve(), hashes)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if args.dry_run:
        _print_cells(combinations)
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        well = _run(combinations, args.workers)
        missing = write_tables(output_dir, plan, combinations)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    if len(missing) < len(combinations):
        well = _draw(output_dir) and well
    for cell in missing:
        print(f"missing from the tables: {cell.name}")
    print(output_dir)
    if not well:
        sys.exit(1)


if __name__ == "__main__":
    main()
