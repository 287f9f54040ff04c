"""Keep the configuration that a run was started with."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from bundle.data.files import write_text_atomically
from bundle.handlers.processes import is_first_process


def save_running_config(path: str | Path) -> None:
    """Write the config that is being run, with its overlays and the command line's values, as JSON.

    For use in an ``initialize`` list. MONAI hands no expression the config it stands in, so the parser is looked up
    among the callers. Expressions are written as they stand; the file can be run in place of the config. Of several
    processes the first one writes it.

    Args:
        path: JSON file to write.

    Raises:
        ValueError: When it is not called from a config.
    """
    parser = required_parser(f"{path}: save_running_config")
    config = {key: value for key, value in parser.get().items() if key != ConfigParser.meta_key}
    if is_first_process():
        write_text_atomically(path, json.dumps(config, indent=4, default=str) + "\n")


def calling_parser() -> Any:
    """Return the parser of the config that a function is called from, or nothing when it is called from elsewhere."""
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, ConfigParser):
            return caller
        frame = frame.f_back
    return None


def required_parser(asking: str) -> Any:
    """Return the parser of the config that a function is called from.

    Args:
        asking: what the error names.

    Raises:
        ValueError: When it is called from elsewhere.
    """
    parser = calling_parser()
    if parser is None:
        raise ValueError(f"{asking} must be called from a config, got no ConfigParser among callers")
    return parser
