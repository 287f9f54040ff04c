from __future__ import annotations

import pytest

from bundle.compare.shortcut import read_shortcut, summarise_shortcut
from bundle.report.shortcut import shortcut_figure, shortcut_markdown
from tests.shortcut_toy import write_shortcut


@pytest.fixture
def folders(tmp_path):
    return write_shortcut(tmp_path)


def test_table(folders):
    lines = shortcut_markdown(summarise_shortcut(read_shortcut(*folders))).splitlines()
    (row,) = (line for line in lines if line.startswith("| 1 | unsup |"))
    assert "| 1.000 ± 0.000 | 0.875 ± 0.000 | 0.125 [" in row and "0.375 [" in row and "p = 0.25 |" in row
    (row,) = (line for line in lines if line.startswith("| 0 | no_cons |"))
    assert row.count("p = 1 |") == 1 and "| 0.750 ± 0.000 |" in row
    assert any(line.startswith("4 test patients. Accuracy: share") for line in lines)


def test_one_seed_has_no_spread(folders):
    runs = [run for run in read_shortcut(*folders) if run.seed == "0"]
    assert "| 1.000 | 0.875 | 0.125 [" in shortcut_markdown(summarise_shortcut(runs))


def test_figure(folders):
    runs = read_shortcut(*folders)
    summary = summarise_shortcut(runs)
    lost, outside, negative = shortcut_figure([run.row() for run in runs], summary).axes
    lines = {line.get_label(): line for line in lost.get_lines()}
    assert lines["unsup"].get_ydata().tolist() == [0.0, 1 / 8] and lines["no_cons"].get_ydata().tolist() == [0.0, 0.5]
    assert {line.get_label(): line.get_ydata()[-1] for line in outside.get_lines()}["unsup"] == 0.25
    assert len(negative.get_lines()) == 4  # a line and the seeds of two methods
    assert [label.get_text() for label in lost.get_xticklabels()] == ["0", "1"]
