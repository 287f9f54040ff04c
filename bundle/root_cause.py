"""Say below a traceback what was wrong."""

from __future__ import annotations

import sys
from types import TracebackType


def show_root_cause() -> None:
    """From now on, end the traceback of an error that another one caused with the message of that one; for configs.

    MONAI wraps what a component or an expression of a config raises. The last line of its traceback names the
    component; the reason stands where the traceback begins, a hundred lines before.
    """
    sys.excepthook = _print_with_root_cause


def _print_with_root_cause(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    sys.__excepthook__(kind, error, traceback)
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is not error:
        sys.stderr.write(f"\nerror: {cause}\n")
