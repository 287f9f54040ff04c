"""The order of the tests, and the floating-point mode that each starts in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

LONG = ("end_to_end", "real", "deploy")  # folders whose files take a minute or more


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no process is left with one of them when the others are done."""
    items.sort(key=lambda item: not set(LONG) & set(item.path.parts))


@pytest.fixture(autouse=True)
def denormal_numbers() -> Iterator[None]:
    """Bring denormal numbers back, which a training in this process turns off."""
    yield
    torch.set_flush_denormal(False)
