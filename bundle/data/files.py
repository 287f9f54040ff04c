"""Write files so that one under its final name is always complete, make the text of tables, and hash files."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai.config import PathLike

_CHUNK = 1 << 20


@contextmanager
def written_whole(path: PathLike, part_name: str | None = None) -> Iterator[Path]:
    """Give a hidden name beside ``path`` to write to, and rename it to ``path`` when the block ends well.

    The folder is made when it is missing. The hidden name ends as ``path`` does, because many writers take the format
    from there, and begins with the process's number, so that processes keep out of each other's way.

    Args:
        path: file to write or to replace.
        part_name: hidden name instead.

    Yields:
        The hidden name.

    Raises:
        OSError: When the folder cannot be written; nothing is left there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(part_name or f".{os.getpid()}_{target.name}")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_text_atomically(path: PathLike, text: str) -> None:
    """Write a text file so that its name never holds half of it."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None, unknown: str = "") -> str:
    """Return a table as CSV with a line of headings.

    Args:
        rows: column -> value of each row.
        columns: order of the columns; None takes those of all rows in the order of their first appearance.
        unknown: what is written where a row lacks a column, or has None or NaN there.

    Raises:
        ValueError: When a row has a column that ``columns`` does not name.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else columns
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval=unknown, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: unknown if _is_unknown(value) else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def file_sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
