from __future__ import annotations

import pytest

from bundle.preprocessing import Settings


def test_grids():
    assert Settings(1.0, "none").grid.shape == (182, 218, 182)
    assert Settings(2.0, "none").grid.shape == (91, 109, 91)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((4.0, "none"), "spacing_mm must be 1 or 2, got 4"), ((1.0, "fast"), "must be one of .*, got 'fast'")],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(*arguments)
