"""The benchmark of batches: a training of toy volumes by every way, and what it refuses."""

from __future__ import annotations

import json
import time

import pytest
import torch
from ignite.engine import Engine

from bundle.data.phantom.cohort import CohortPlan, write_cohort
from scripts.benchmark import loading

# MONAI's and Ignite's own; tests of the parts have warnings as errors
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    list(write_cohort(folder, CohortPlan(counts={"healthy": 10, "tumour": 10}, spacing_mm=8.0, seed=1)))
    return folder


def options(cohort, tmp_path, iterations):
    words = ["--dataset_dir", str(cohort), "--device", "cpu", "--grid_shape", "23", "28", "23", "--workers", "0", "1"]
    words += ["--iterations", str(iterations), "--batch_size", "2", "--threads", str(torch.get_num_threads())]
    return [*words, "--output", str(tmp_path / "loading.json")]


def test_every_way_has_a_row(cohort, tmp_path, capsys):
    loading.main(options(cohort, tmp_path, iterations=2))
    rows = json.loads((tmp_path / "loading.json").read_text())["rows"]
    names = ["loader processes: 0", "loader processes: 1", "kept and augmented on the device"]
    assert [row["name"] for row in rows] == names
    for row in rows:
        assert len(row["waiting_s"]) == len(row["working_s"]) == 2 and min(row["waiting_s"] + row["working_s"]) > 0
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in names)


def test_too_few_images(cohort, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        loading.main(options(cohort, tmp_path, iterations=100))
    assert "need 103 healthy and 103 pathological images" in capsys.readouterr().err
    assert not (tmp_path / "loading.json").exists()


def test_no_cohort(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        loading.main(options(tmp_path / "nowhere", tmp_path, iterations=2))
    assert "nowhere" in capsys.readouterr().err


def test_times_are_those_of_batch_and_step():
    def batches():
        for _ in range(2):
            time.sleep(0.1)
            yield None

    engine = Engine(lambda *_: time.sleep(0.02))
    times = loading.IterationTimes()
    times.attach(engine)
    engine.run(batches(), epoch_length=2)
    assert len(times.waiting_s) == len(times.working_s) == 2
    assert min(times.waiting_s) >= 0.09 and min(times.working_s) >= 0.02


def test_share_of_waiting():
    rows = [{"name": "a way", "waiting_s": [1.0, 1.0], "working_s": [2.0, 4.0]}]
    assert loading.table(rows).splitlines()[-1] == "| a way | 1.000 | 3.000 | 25.0% |"
