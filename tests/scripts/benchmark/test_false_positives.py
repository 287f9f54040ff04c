"""The check of the bound on false positives: draws, their table, and what it reports as broken or impossible."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scripts.benchmark import false_positives


@pytest.fixture
def dataset_dir(tmp_path):
    healthy = [{"subject": f"h{n}", "patient": f"p{n // 2}", "image": f"h{n}.nii.gz", "label": 0} for n in range(40)]
    patients = [{"subject": "a", "image": "a.nii.gz", "label": 1}]
    (tmp_path / "datalist.json").write_text(json.dumps({"test": healthy[:30] + patients, "validation": healthy[30:]}))
    return tmp_path


def test_simulated_rate_is_the_exact_one():
    """Of distinct values the new one exceeds the rank-th smallest of n in n + 1 - rank of n + 1 orders."""
    smallest = np.random.default_rng(1).standard_normal(200)
    row = false_positives.simulate(smallest, 19, 0.1, 1000, np.random.default_rng(2))
    assert (row["rank"], row["expected_rate"]) == (18, 0.1)
    assert row["rate_of_all_left_out"] == pytest.approx(0.1, abs=0.01)
    assert row["rate_low"] < 0.1 < row["rate_high"] and row["rate"] == row["exceeded"] / 1000 and row["holds"]


def test_no_subject_left_over():
    with pytest.raises(ValueError, match="leave a new one of 20, got 20"):
        false_positives.simulate(np.arange(20.0), 20, 0.1, 1, np.random.default_rng(0))


def test_healthy_images_of_the_first_persons(dataset_dir):
    path = dataset_dir / "datalist.json"
    entries = false_positives.healthy_entries(path, ["test", "validation"], None)
    assert len(entries) == 40 and {entry["label"] for entry in entries} == {0}
    first = false_positives.healthy_entries(path, ["test"], 3)
    assert [entry["patient"] for entry in first] == ["p0", "p0", "p1", "p1", "p2", "p2"]


def test_command(dataset_dir, monkeypatch, capsys):
    def maps(config_files, overrides, entries, score, volumes_ml):
        assert len(entries) == 30 and score == "attribution" and overrides == {}
        return {volume: [float(value) for value in range(30)] for volume in volumes_ml}

    monkeypatch.setattr(false_positives, "smallest_thresholds", maps)
    output = dataset_dir / "out.json"
    arguments = [str(dataset_dir), "--subjects", "10", "--risks", "0.05", "0.2", "--draws", "50"]
    false_positives.main([*arguments, "--output", str(output)])
    record = json.loads(output.read_text())
    (row,) = record["rows"]
    assert (row["false_positive_ml"], row["rank"], row["draws"]) == (10.0, 9, 50)
    (reason,) = record["left_out"]
    assert "q = 0.05: " in reason and "at least 19 healthy subjects, got 10" in reason
    printed = capsys.readouterr().out
    assert f"| 10 | 10 | 0.2 | 9 | 0.182 | {row['exceeded']} of 50 = {row['rate']:.3f} |" in printed
    assert f"left out: {reason}" in printed


def test_a_broken_promise_is_exit_status_1(dataset_dir, monkeypatch):
    monkeypatch.setattr(false_positives, "smallest_thresholds", lambda *_: {10.0: [float(v) for v in range(30)]})
    monkeypatch.setattr(false_positives, "conformal_threshold", lambda values, risk: min(values))
    with pytest.raises(SystemExit, match="1"):
        false_positives.main(
            [str(dataset_dir), "--subjects", "10", "--risks", "0.2", "--output", str(dataset_dir / "o")]
        )


def test_no_healthy_image(tmp_path, capsys):
    (tmp_path / "datalist.json").write_text(json.dumps({"test": [{"subject": "a", "image": "a.nii", "label": 1}]}))
    with pytest.raises(SystemExit, match="2"):
        false_positives.main([str(tmp_path)])
    assert "test must hold healthy images, got 0" in capsys.readouterr().err
