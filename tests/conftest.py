"""The order of the tests, and what none of them leaves to the next."""

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


@pytest.fixture
def no_graphs_of_other_tests() -> None:
    """Forget compiled graphs, whose number is limited for each function."""
    torch.compiler.reset()
