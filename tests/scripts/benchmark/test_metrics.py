"""The benchmark of the voxel metrics: equal values, a complete record, and a streamed run."""

from __future__ import annotations

import json

import pytest

from scripts.benchmark import metrics

SMALL = ["--subjects", "3", "--shape", "9", "10", "8", "--lesion_fraction", "0.1", "--repeats", "2"]


def run(path, *arguments):
    metrics.main([*SMALL, "--output", str(path), *arguments])
    return json.loads(path.read_text())


@pytest.mark.parametrize("decimals", ["8", "1", "0"])
def test_both_sides_agree(tmp_path, capsys, decimals):
    record = run(tmp_path / "metrics.json", "--decimals", decimals)
    assert record["voxels"] == 3 * 9 * 10 * 8 and record["largest_difference"] < 1e-10
    assert len(record["values"]) == 8 and len(record["seconds"]["scikit-learn"]) == 2
    printed = capsys.readouterr().out
    assert f"| auprc | {record['values']['auprc']['bundle']:.8f} |" in printed
    assert f"{record['times_faster']:.1f} times faster" in printed


def test_streamed_run_gives_the_same_values(tmp_path, capsys):
    whole, streamed = run(tmp_path / "a.json"), run(tmp_path / "b.json", "--full")
    assert streamed["values"]["auroc10"] == whole["values"]["auroc10"]["bundle"]
    assert 0.05 < streamed["peak_memory_gb"] < 50 and streamed["seconds"] > 0
    assert f"peak memory of the process {streamed['peak_memory_gb']:.2f} GB" in capsys.readouterr().out
