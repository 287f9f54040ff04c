"""Write the tables of a comparison from the cells that are complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.compare.cells import Cell, Combination
from bundle.compare.map_tables import (
    AGREEMENT_COLUMNS,
    DICE_COLUMNS,
    HISTOGRAM_COLUMNS,
    agreement_rows,
    dice_rows,
    histogram_rows,
)
from bundle.compare.plan import Plan
from bundle.compare.tables import (
    CELL_COLUMNS,
    RESULT_COLUMNS,
    SUBJECT_COLUMNS,
    cell_row,
    result_rows,
    subject_rows,
    write_table,
)


def write_tables(output_dir: Path, plan: Plan, combinations: Sequence[Combination]) -> list[Cell]:
    """Write ``results.csv``, ``subjects.csv``, ``cells.csv`` and, from the maps where they are kept, three more.

    Those are ``agreement.csv``, ``dice_over_threshold.csv`` and ``attribution_histograms.csv``.

    Args:
        output_dir: folder of the tables.
        plan: the plan.
        combinations: its trainings and evaluations.

    Returns:
        The evaluations that are missing from the tables.
    """
    evaluations = [combination.evaluation for combination in combinations]
    complete = [cell for cell in evaluations if cell.is_complete()]
    write_table(output_dir / "results.csv", RESULT_COLUMNS, result_rows(complete))
    write_table(output_dir / "subjects.csv", SUBJECT_COLUMNS, subject_rows(complete))
    if plan.maps:
        write_table(output_dir / "agreement.csv", AGREEMENT_COLUMNS, agreement_rows(plan, complete))
        write_table(output_dir / "dice_over_threshold.csv", DICE_COLUMNS, dice_rows(plan.scores, complete))
        write_table(output_dir / "attribution_histograms.csv", HISTOGRAM_COLUMNS, histogram_rows(plan.scores, complete))
    cells = [
        {**cell_row(cell), "kind": cell.kind, "complete": int(cell.is_complete()), "folder": cell.folder.name}
        for combination in combinations
        for cell in combination.cells
    ]
    write_table(output_dir / "cells.csv", (*CELL_COLUMNS, "kind", "complete", "folder"), cells)
    return [cell for cell in evaluations if not cell.is_complete()]
