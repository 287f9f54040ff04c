"""Whole comparisons of tiny trainings: every table, caching, and resumption after a SIGKILL."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bundle.compare.plan_values import ROOT
from scripts.compare import main as compare

PATIENCE_S = 120.0

# MONAI's and Ignite's own; tests of the parts have warnings as errors
pytestmark = pytest.mark.filterwarnings("ignore")


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def markers(work_dir):
    return {path: path.stat().st_mtime_ns for path in work_dir.glob("cells/*/complete.json")}


def test_all_tables(content, write_plan, in_process, tmp_path, capsys):
    content.update(
        methods=["sup", "unsup", "no_cons"],
        estimators=["g", "eg"],
        scores=["eg"],
        agreement=[["EG.EG", "G.EG"], ["EG.EG", "NO.EG"], ["G.G", "G.G"]],
        evaluate_overrides={"attributions::eg::n_draws": 4, "report": False},
    )
    plan, out, work = write_plan(content), tmp_path / "out", tmp_path / "work"
    compare([str(plan), "--output_dir", str(out), "--work_dir", str(work)])
    assert len(in_process) == 10 and len(markers(work)) == 10
    trained = {("sup", "g"), ("sup", "eg"), ("unsup", "g"), ("unsup", "eg"), ("no_cons", "")}

    assert "Table IV" in (out / "comparison.md").read_text()
    results = read(out / "results.csv")
    assert {(row["method"], row["estimator"]) for row in results} == trained
    dice = [row for row in results if (row["condition"], row["metric"]) == ("pathological", "dice")]
    assert Counter(row["score"] for row in dice) == {"attribution": 5, "eg": 5, "intensity": 5}
    assert len({row["value"] for row in dice if row["score"] == "intensity"}) == 1, "the baseline has no training"
    assert all(0 <= float(row["value"]) <= 1 for row in results if row["metric"] in ("tpr", "tnr", "auprc"))

    subjects = read(out / "subjects.csv")
    assert {(row["condition"], row["metric"]) for row in subjects if not row["score"]} == {
        (condition, metric)
        for condition in ("healthy", "pathological")
        for metric in ("logit", "probability", "negative_fraction")
    }
    mean = sum(float(row["value"]) for row in subjects if is_dice(row, "unsup", "g", "eg")) / 2
    assert [float(row["value"]) for row in dice if is_dice(row, "unsup", "g", "eg")] == [pytest.approx(mean)]

    agreement = read(out / "agreement.csv")
    assert Counter((row["method"], row["map_1"], row["map_2"]) for row in agreement) == {
        (method, *pair): 2 for method in ("sup", "unsup") for pair in map(tuple, content["agreement"])
    }
    assert all(-1 <= float(row["pearson"]) <= 1 for row in agreement)
    assert [float(row["pearson"]) for row in agreement if row["map_1"] == "G.G"] == [pytest.approx(1.0)] * 4

    curves = read(out / "dice_over_threshold.csv")
    assert Counter((row["method"], row["estimator"], row["score"]) for row in curves) == {
        (*key, score): 60 for key in trained for score in ("attribution", "eg", "intensity")
    }
    best = max(float(row["dice_mean"]) for row in curves if row["score"] == "intensity")
    assert best >= float(next(row["value"] for row in dice if row["score"] == "intensity")) - 0.05
    histograms = read(out / "attribution_histograms.csv")
    voxels = Counter()
    for row in histograms:
        voxels[row["group"]] += int(row["count"])
    assert voxels.keys() == {"healthy", "patient_outside", "lesion"} and min(voxels.values()) > 0

    kept = markers(work)
    capsys.readouterr()
    compare([str(plan), "--output_dir", str(tmp_path / "again"), "--work_dir", str(work)])
    assert len(in_process) == 10 and markers(work) == kept, "a complete cell was run again"
    for name in ("results", "agreement", "dice_over_threshold"):
        assert (out / f"{name}.csv").read_bytes() == (tmp_path / "again" / f"{name}.csv").read_bytes()


def is_dice(row, method, estimator, score):
    return (row["method"], row["estimator"], row["score"], row["metric"]) == (method, estimator, score, "dice")


def children(pid):
    """Processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the processes of a comparison in /proc")
def test_killed_comparison_goes_on(content, write_plan, in_process, tmp_path):
    content["seeds"] = [0, 1]
    content["train_overrides"] |= {"max_epochs": 4}
    work = tmp_path / "work"
    arguments = [str(write_plan(content)), "--output_dir", str(tmp_path / "out"), "--work_dir", str(work)]
    compare([*arguments, "--seeds", "0"])
    finished = markers(work)
    states = {path.parent: path.stat().st_mtime_ns for path in work.glob("cells/*/training_state.pt")}
    assert len(finished) == 2 and len(states) == 1

    command = [sys.executable, "-m", "scripts.compare", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not (new := {path.parent for path in work.glob("cells/*/training_state.pt")} - states.keys()):
        assert process.poll() is None and time.monotonic() < deadline, "the comparison ended before it could be killed"
        time.sleep(0.005)
    groups = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and len(groups) == 1
    (interrupted,) = new
    assert json.loads((interrupted / "cell.json").read_text())["seed"] == 1
    assert not (interrupted / "complete.json").exists()

    in_process.clear()
    compare(arguments)
    assert in_process == ["train unsup (g), tiny, seed 1", "evaluate unsup (g), tiny, seed 1"]
    assert {path: time for path, time in markers(work).items() if path in finished} == finished
    assert all((folder / "training_state.pt").stat().st_mtime_ns == time for folder, time in states.items())
    assert {row["seed"] for row in read(tmp_path / "out" / "results.csv")} == {"0", "1"}
