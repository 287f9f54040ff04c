"""Side-by-side comparisons: from a plan to trainings and evaluations that are run once, and to tidy tables."""

from __future__ import annotations

from bundle.compare.cells import Cell, Combination, make_combinations
from bundle.compare.collect import write_tables
from bundle.compare.data import FileHashes
from bundle.compare.plan import Plan, load_plan
from bundle.compare.runner import CACHED, DONE, FAILED, SKIPPED, CellRunner, Outcome

__all__ = [
    "CACHED",
    "DONE",
    "FAILED",
    "SKIPPED",
    "Cell",
    "CellRunner",
    "Combination",
    "FileHashes",
    "Outcome",
    "Plan",
    "load_plan",
    "make_combinations",
    "write_tables",
]
