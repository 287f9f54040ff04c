from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.data.records import load_datalist
from bundle.preprocessing import Settings, list_subjects, run, runner

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(2.0, "none")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def cohort(folder, brain, count):
    """Write copies of a brain, each a little brighter than the one before."""
    folder.mkdir()
    for index in range(count):
        for end, array in {"flair": brain.image + index * (brain.image > 0), "lesion": brain.mask}.items():
            nib.save(nib.Nifti1Image(array, brain.affine), folder / f"sub-{index:02d}_{end}.nii")
    return folder


def content(output_dir):
    """Names and bytes of all results; records differ in their times."""
    files = [path for path in output_dir.rglob("*") if path.is_file() and path.parent.name != "provenance"]
    return {path.relative_to(output_dir).as_posix(): path.read_bytes() for path in files}


def test_forty_subjects_two_of_them_broken(tmp_path, brain, no_search, monkeypatch):
    folder, output_dir = cohort(tmp_path / "ms", brain, 40), tmp_path / "out"
    (folder / "sub-07_flair.nii").write_bytes(b"")
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), folder / "sub-23_lesion.nii")
    records = dict(run(list_subjects(folder), SETTINGS, output_dir, workers=1))
    failed = {name: record["reason"] for name, record in records.items() if record["status"] == "failed"}
    assert len(records) == 40 and sorted(failed) == ["sub-07", "sub-23"]
    assert "sub-07_flair.nii" in failed["sub-07"] and "got (3, 3, 3)" in failed["sub-23"]
    entries = load_datalist(output_dir / "datalist.json", "test")
    assert len(entries) == 38 and all(Path(entry["image"]).is_file() for entry in entries)

    again = []
    real = runner.preprocess_subject
    monkeypatch.setattr(
        runner, "preprocess_subject", lambda subject, *rest: again.append(subject.name) or real(subject, *rest)
    )
    (output_dir / "masks" / "sub-11_lesion.nii.gz").unlink()
    cohort(tmp_path / "good", brain, 8)
    (tmp_path / "good" / "sub-07_flair.nii").replace(folder / "sub-07_flair.nii")
    records = dict(run(list_subjects(folder), SETTINGS, output_dir, workers=1))
    assert again == ["sub-07", "sub-11", "sub-23"]
    assert [name for name, record in records.items() if record["status"] == "failed"] == ["sub-23"]
    assert len(load_datalist(output_dir / "datalist.json", "test")) == 39


def test_killed_midway_then_resumed(tmp_path, brain):
    """With the real registration: what is under a final name is whole, and the rerun gives what one run gives."""
    folder, output_dir = cohort(tmp_path / "ms", brain, 2), tmp_path / "out"
    command = [sys.executable, "-m", "scripts.preprocess", str(folder), "--output_dir", str(output_dir)]
    command += ["--brain_extraction", "none", "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((output_dir / "provenance").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = [path.stem for path in (output_dir / "provenance").glob("*.json")]
    assert len(finished) == 1 and not (output_dir / "datalist.json").exists()
    for path in output_dir.rglob("*.nii.gz"):
        if ".partial" not in path.parts:
            assert np.isfinite(nib.load(path).get_fdata()).all()
    records = dict(run(list_subjects(folder), SETTINGS, output_dir, workers=1))
    assert len(records) == 2 and all(record["status"] == "done" for record in records.values())
    assert not list((output_dir / ".partial").iterdir())
    other = tmp_path / "alone"
    dict(run(list_subjects(folder)[1:], SETTINGS, other, workers=1))
    resumed = content(output_dir)
    assert all(resumed[name] == value for name, value in content(other).items() if name != "datalist.json")


def test_a_scheduler_started_elsewhere(tmp_path, brain):
    """A good and a broken subject on a scheduler and a worker of their own, over the loopback interface."""
    folder, output_dir = cohort(tmp_path / "ms", brain, 2), tmp_path / "out"
    (folder / "sub-00_flair.nii").write_bytes(b"")
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    start += ["--no-dashboard", "--scheduler-file", str(file)]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-dashboard"]
    work += ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    options = {"cwd": ROOT, "env": ENVIRONMENT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(command, **options) for command in (start, work)]
    try:
        deadline = time.monotonic() + 120
        while not file.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        records = dict(run(list_subjects(folder), SETTINGS, output_dir, scheduler=address))
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
    assert {name: record["status"] for name, record in records.items()} == {"sub-00": "failed", "sub-01": "done"}
    assert [entry["subject"] for entry in load_datalist(output_dir / "datalist.json", "test")] == ["sub-01"]


def test_a_worker_that_dies_is_recorded(tmp_path, brain, monkeypatch):
    """What Dask raises for a lost worker is a failure of that subject."""
    from distributed import LocalCluster

    folder = cohort(tmp_path / "ms", brain, 2)
    monkeypatch.setattr(runner, "preprocess_subject", die_or_finish)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        results = run(list_subjects(folder), SETTINGS, tmp_path / "out", scheduler=cluster.scheduler_address)
        records = dict(results)
    assert records["sub-00"]["status"] == "done"
    assert re.match(r"its worker died \(MemoryError\); give it more memory", records["sub-01"]["reason"])


def die_or_finish(subject, settings, output_dir):
    if subject.name == "sub-01":
        raise MemoryError
    return {"subject": subject.name, "status": "done"}


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        next(run([], SETTINGS, tmp_path, workers=0))


def test_no_scheduler(tmp_path, brain, monkeypatch):
    folder = cohort(tmp_path / "ms", brain, 1)
    with pytest.raises(ValueError, match="no Dask scheduler answers at 'nowhere:"):
        list(run(list_subjects(folder), SETTINGS, tmp_path / "out", scheduler="nowhere:1:2"))
