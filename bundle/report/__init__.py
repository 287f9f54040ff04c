"""Pictures and tables, drawn from arrays and result files; `reconstruction_figures` alone runs networks."""

from __future__ import annotations

from bundle.report.comparison import write_comparison
from bundle.report.overlay import draw_overlay, focus
from bundle.report.page import write_report
from bundle.report.tables import evaluation_markdown, markdown_table, write_evaluation_table

__all__ = [
    "draw_overlay",
    "evaluation_markdown",
    "focus",
    "markdown_table",
    "write_comparison",
    "write_evaluation_table",
    "write_report",
]
