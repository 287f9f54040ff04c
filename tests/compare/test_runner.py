"""Cells that are small Python programs: failures, locks, GPUs, stopping."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from bundle.compare import CACHED, DONE, FAILED, SKIPPED, Cell, CellRunner, Combination
from bundle.compare.runner import environment

DEADLINE_S = 20.0


@pytest.fixture
def combination(tmp_path):
    def make(train="pass", evaluate="pass", name="m"):
        what = ("c", name, "g", 0)
        return Combination(
            Cell("train", *what, tmp_path / f"{name}_t", (sys.executable, "-c", train)),
            Cell("evaluate", *what, tmp_path / f"{name}_e", (sys.executable, "-c", evaluate)),
        )

    return make


def run(combinations, workers=1):
    reported = []
    outcomes = CellRunner(workers, reported.append).run(combinations)
    assert sorted(map(id, reported)) == sorted(map(id, outcomes))
    return outcomes


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_complete_cells_are_not_run_again(combination):
    chosen = combination("print('trained')", "print('evaluated')")
    assert [outcome.state for outcome in run([chosen])] == [DONE, DONE]
    assert [cell.log.read_text() for cell in chosen.cells] == ["trained\n", "evaluated\n"]
    markers = [(cell.folder / "complete.json").stat().st_mtime_ns for cell in chosen.cells]
    assert [outcome.state for outcome in run([chosen])] == [CACHED, CACHED]
    assert markers == [(cell.folder / "complete.json").stat().st_mtime_ns for cell in chosen.cells]


def test_failure_names_its_reason_and_the_others_go_on(combination):
    code = "import sys; print('warning'); print('50%|##  |', end='\\r'); sys.exit('error: no such file')"
    broken = combination(code, name="broken")
    outcomes = {(o.cell.method, o.cell.kind): o for o in run([broken, combination(name="fine")], workers=2)}
    failed = outcomes["broken", "train"]
    assert failed.state == FAILED and not failed.cell.is_complete()
    assert failed.reason == f"exit status 1: error: no such file ({failed.cell.log})"
    assert (
        outcomes["broken", "evaluate"].state == SKIPPED
        and "needs train broken" in outcomes["broken", "evaluate"].reason
    )
    assert outcomes["fine", "evaluate"].state == DONE


def test_reason_is_that_of_the_last_attempt(combination):
    chosen = combination("import sys; sys.exit('first')")
    run([chosen])
    again = combination("import sys; sys.exit('second')")
    reason = run([again])[0].reason
    assert "second" in reason and "first" not in reason


def test_stopping_ends_the_processes(combination):
    chosen = combination("import time; print('started', flush=True); time.sleep(600)")
    runner, states = CellRunner(1, lambda outcome: None), []
    thread = threading.Thread(target=lambda: states.extend(o.state for o in runner.run([chosen])))
    thread.start()
    wait_for(lambda: chosen.training.log.is_file() and chosen.training.log.read_text())
    (process,) = runner._processes
    runner.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive() and process.returncode == -signal.SIGTERM
    assert states == [SKIPPED, SKIPPED] and not chosen.training.is_complete()


def test_exception_ends_the_processes(combination):
    def report(outcome):
        raise KeyboardInterrupt

    slow = combination("import time; time.sleep(600)", name="slow")
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        CellRunner(2, report).run([slow, combination()])
    assert time.monotonic() - started < DEADLINE_S and not slow.training.is_complete()


def test_two_comparisons_do_not_run_one_cell(combination, tmp_path):
    count = tmp_path / "count"
    chosen = combination(f"import time; open({str(count)!r}, 'a').write('x'); time.sleep(0.5)")
    states = []
    threads = [threading.Thread(target=lambda: states.append([o.state for o in run([chosen])])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert count.read_text() == "x" and sorted(state[0] for state in states) == [CACHED, DONE]


def test_cores_and_gpus_are_shared(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [environment(slot, 3)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["2", "5", "2"]
    assert environment(0, 3)["OMP_NUM_THREADS"] == "2" and environment(0, 16)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment(0, 3)["OMP_NUM_THREADS"] == "5"


def test_no_worker():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        CellRunner(0, print)
