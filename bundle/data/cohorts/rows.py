"""Tables as people export them: comma, semicolon or tab, UTF-8 or Windows, several spellings of "missing"."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MISSING = {"", "n/a", "na", "nan", "none", "null"}
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """The rows of a table, as text.

    Args:
        path: file, for messages.
        columns: names of the columns.
        rows: cells of each row by column, without surrounding spaces; a missing value is an empty text.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def column(self, usual: Sequence[str], given: str = "", required: bool = False) -> str:
        """Return the name of a column.

        Args:
            usual: names that it usually has; case, spaces, hyphens and underscores do not count.
            given: name that the user gave instead.
            required: whether the table must have it.

        Returns:
            The name as it stands in the table; an empty text when the table has no such column.

        Raises:
            ValueError: When the column was given or is required, and is not there.
        """
        wanted = [_plain(name) for name in ([given] if given else usual)]
        found = {_plain(name): name for name in reversed(self.columns)}
        name = next((found[key] for key in wanted if key in found), "")
        if not name and (given or required):
            raise ValueError(
                f"{self.path}: the table must have a column {given or usual[0]!r}, got {', '.join(self.columns)}; "
                "name the right one"
            )
        return name

    def where(self, index: int) -> str:
        """Name a row in a message; rows count from 1 below the header."""
        return f"{self.path}: row {index + 1}"


def read_table(path: Path) -> Table:
    """Read a table of comma, semicolon or tab separated values, or a JSON list of objects.

    Text is UTF-8, or Windows-1252 where it is not valid UTF-8. Empty lines are skipped.

    Args:
        path: ``.json`` file; any other name is taken for separated values, whose separator is the most frequent one of
            the header.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the table has no header or no row, a column twice, or a row that is longer than the header.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the table does not exist; check the path")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    columns, rows = _parse_json(path, text) if path.suffix == ".json" else _parse_separated(path, text)
    if not rows:
        raise ValueError(f"{path}: a table must have a header and a row below it, got no row; export it again")
    return Table(path, tuple(columns), tuple(rows))


def _parse_separated(path: Path, text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Split separated values into column names and rows."""
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = max(_DELIMITERS, key=(lines or [""])[0].count)
    header, *cells = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)] or [[]]
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise ValueError(f"{path}: a column must stand once in the header, got {repeated[0]!r} twice; rename one")
    for number, row in enumerate(cells, start=1):
        if len(row) > len(header):
            raise ValueError(
                f"{path}: row {number} must have at most {len(header)} cells as the header, got {len(row)}; "
                "put cells that hold the separator in quotes"
            )
    return header, [dict(zip(header, [_value(cell) for cell in row] + [""] * len(header))) for row in cells]


def _parse_json(path: Path, text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Take the objects of a JSON list as rows."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: a .json table must be valid JSON, got {error}; correct the file") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"{path}: a .json table must be a list of objects, got {type(rows).__name__}; "
            "read a datalist with the reader datalist"
        )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return columns, [{name: _value(str(row.get(name, ""))) for name in columns} for row in rows]


def _value(cell: str) -> str:
    """Return a cell's text, empty when it says that the value is missing."""
    return "" if cell.strip().casefold() in _MISSING else cell.strip()


def _plain(name: str) -> str:
    """Return a column's name without what people write differently."""
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())
