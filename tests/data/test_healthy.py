from __future__ import annotations

import pytest

from bundle.data.healthy import check_healthy, keep_healthy

ENTRIES = [{"image": "a", "label": 0}, {"image": "b", "label": 1}, {"image": "c"}, {"image": "d", "label": 0}]


def test_only_entries_that_are_called_healthy_are_kept():
    assert [entry["image"] for entry in keep_healthy(ENTRIES)] == ["a", "d"]


def test_all_sections_are_returned():
    assert check_healthy("list.json", {"training": ENTRIES[:1], "validation": ENTRIES[3:]}) == [ENTRIES[0], ENTRIES[3]]


def test_every_section_without_a_healthy_image_is_named():
    with pytest.raises(ValueError, match=r"list\.json: section 'training' must hold healthy .*\n.*'validation'"):
        check_healthy("list.json", {"training": [], "validation": []})
