"""Find misspelt options of a workflow, which MONAI takes for new entries of the config."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from bundle.handlers.running_config import required_parser
from bundle.preflight import exit_with

_WRONG_LETTERS = 2  # of both names together: one letter is another or stands elsewhere, or up to two are missing


def check_option_names() -> None:
    """Stop when nothing refers to an entry of the config that is being run and its name resembles one in use.

    For use in an ``initialize`` list. ``--max_epoch 10`` on the command line would be ignored otherwise.

    Raises:
        SystemExit: When there are such entries; the message has one line for each.
        ValueError: When it is not called from a config.
    """
    config = required_parser("check_option_names").get()
    used = {name for text in _texts(config) for name in re.findall(r"@(\w+)", text)} & config.keys()
    matches = {name: _resembling(name, used) for name in config.keys() - used}
    exit_with(
        [
            f"{name}: no part of the config uses an option of this name; did you mean --{match}?"
            for name, match in sorted(matches.items())
            if match is not None
        ]
    )


def _resembling(name: str, others: Iterable[str]) -> str | None:
    """Return the most similar name, if any is similar enough."""
    found = difflib.get_close_matches(name, others, 1)
    if not found:
        return None
    blocks = difflib.SequenceMatcher(None, found[0], name).get_matching_blocks()
    wrong = len(name) + len(found[0]) - 2 * sum(block.size for block in blocks)
    return found[0] if wrong <= _WRONG_LETTERS else None


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _texts(value)
