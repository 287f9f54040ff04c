"""The zoo shows docs/README.md away from the repository, and its figures are those of the README."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARD = (ROOT / "docs" / "README.md").read_text()


def test_links_lead_out_of_the_repository():
    assert [link for link in re.findall(r"\]\(([^)\s]+)", CARD) if not link.startswith("https://")] == []


def test_files_that_are_named_are_in_the_bundle():
    named = set(re.findall(r"`((?:docs|configs|eval|models|scripts|bundle|notebooks)/[\w./-]+)`", CARD))
    assert len(named) > 5 and sorted(name for name in named if not (ROOT / name).exists()) == []


def test_results_are_those_of_the_readme():
    def rows(text):
        return [line for line in text.splitlines() if re.match(r"\| (?:\d+ )?(?:tumour|MS)\b.*\|.*\d\.\d", line)]

    results = rows(CARD)
    assert len(results) > 5 and set(results) <= set(rows((ROOT / "README.md").read_text()))


def test_licence_of_the_data_is_stated():
    text = (ROOT / "docs" / "data_license.txt").read_text()
    assert "ICBM" in text and "docs/data_license.txt" in CARD
