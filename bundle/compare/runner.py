"""Run the cells of a comparison as processes, several at once, and go on where an earlier comparison stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import IO

import torch

from bundle.compare.cells import Cell, Combination
from bundle.compare.plan_values import ROOT

DONE, CACHED, FAILED, SKIPPED = "done", "cached", "failed", "skipped"

_GRACE_S = 10.0  # between asking a process to end and killing it
_POLL_S = 0.5  # between two looks at a cell that another comparison runs
_REASON_LINES = 3


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: its state, the time it took, and why it failed."""

    cell: Cell
    state: str
    seconds: float = 0.0
    reason: str = ""


class CellRunner:
    """Run trainings and their evaluations, ``workers`` of them at once.

    Every process gets its share of the cores as ``OMP_NUM_THREADS``, unless that is set, and one of the GPUs in turn.
    A complete cell is not run again; an interrupted training goes on from its ``training_state.pt``. A cell is locked
    while it runs, also by a process that outlived its comparison, so no two comparisons write one folder.

    Args:
        workers: number of cells that run at once.
        report: called with the outcome of every cell, from one thread at a time.

    Raises:
        ValueError: When ``workers`` is below 1.
    """

    def __init__(self, workers: int, report: Callable[[Outcome], None]) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.workers = workers
        self.report = report
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(workers):
            self._slots.put(slot)

    def run(self, combinations: Sequence[Combination]) -> list[Outcome]:
        """Run every cell that is not complete. An exception, such as KeyboardInterrupt, ends the processes."""
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            futures = [pool.submit(self._combination, combination) for combination in combinations]
            try:
                for future in as_completed(futures):
                    outcomes += future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise
        return outcomes

    def stop(self) -> None:
        """End the processes: ask first, kill those that do not listen."""
        self._stopped.set()
        with self._lock:
            running = set(self._processes)
        for process in running:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal(process, signal.SIGKILL)  # also what a process left in its group

    def _combination(self, combination: Combination) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for cell in combination.cells:
            if outcomes and outcomes[-1].state in (FAILED, SKIPPED):
                outcome = Outcome(cell, SKIPPED, reason=f"needs {combination.training.name}")
            else:
                outcome = self._cell(cell)
            outcomes.append(outcome)
            if not self._stopped.is_set():
                with self._lock:
                    self.report(outcome)
        return outcomes

    def _cell(self, cell: Cell) -> Outcome:
        if cell.is_complete():
            return Outcome(cell, CACHED)
        slot = self._slots.get()
        try:
            cell.folder.mkdir(parents=True, exist_ok=True)
            with self._claimed(cell) as claim:
                if claim is None:
                    return Outcome(cell, SKIPPED, reason="stopped")
                if cell.is_complete():
                    return Outcome(cell, CACHED)
                return self._process(cell, slot, claim)
        except OSError as error:
            return Outcome(cell, FAILED, reason=str(error))
        finally:
            self._slots.put(slot)

    @contextlib.contextmanager
    def _claimed(self, cell: Cell) -> Iterator[IO[bytes] | None]:
        """Lock a cell's folder, after any other process that has locked it; None when stopped meanwhile."""
        with (cell.folder / ".lock").open("wb") as claim:
            while not self._stopped.is_set():
                try:
                    fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(_POLL_S)
                else:
                    yield claim
                    return
            yield None

    def _process(self, cell: Cell, slot: int, claim: IO[bytes]) -> Outcome:
        cell.describe()
        started = time.monotonic()
        with cell.log.open("ab") as log:
            before = log.tell()
            process = self._start(cell, slot, claim, log)
            code = process.wait()
            with self._lock:
                self._processes.discard(process)
        seconds = time.monotonic() - started
        if self._stopped.is_set():
            return Outcome(cell, SKIPPED, seconds, "stopped")
        if code:
            return Outcome(cell, FAILED, seconds, f"exit status {code}: {_last_lines(cell, before)} ({cell.log})")
        cell.mark_complete(seconds)
        return Outcome(cell, DONE, seconds)

    def _start(self, cell: Cell, slot: int, claim: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            cell.command,
            cwd=ROOT,
            env=environment(slot, self.workers),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, and a group is ended as one
            pass_fds=[claim.fileno()],  # the lock lives as long as the process
        )
        with self._lock:
            self._processes.add(process)
        if self._stopped.is_set():  # while it started
            _signal(process, signal.SIGTERM)
        return process


def environment(slot: int, workers: int) -> dict[str, str]:
    """Return the environment of the process in one of the places that run at once.

    Args:
        slot: number of the place, from 0.
        workers: number of places.
    """
    result = dict(os.environ)
    result.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [str(number) for number in range(torch.cuda.device_count())] if visible is None else visible.split(",")
    if len(devices) > 1:
        result["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    return result


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _last_lines(cell: Cell, start: int) -> str:
    """Return the errors that a cell's last attempt named in a line of their own, or else the end of what it wrote."""
    with cell.log.open("rb") as log:
        log.seek(start)
        text = log.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and "%|" not in line]  # no progress bars
    errors = [line for line in lines if line.startswith("error: ")]  # of bundle.preflight
    return " | ".join((errors or lines)[-_REASON_LINES:]) or "no output"
