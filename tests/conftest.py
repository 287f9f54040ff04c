"""The order of the tests."""

from __future__ import annotations

import pytest

LONG = ("end_to_end", "real", "deploy")  # folders whose files take a minute or more


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no process is left with one of them when the others are done."""
    items.sort(key=lambda item: not set(LONG) & set(item.path.parts))
