"""What two processes do together: their results against those of one, and what only the first one does."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.utils import set_determinism

from bundle.handlers import (
    BestModelHandler,
    EpochSeedHandler,
    EvaluationHandler,
    SaveMapsHandler,
    SaveReportSlicesHandler,
    ThresholdCalibrationHandler,
    TrainingStateHandler,
)
from bundle.handlers.processes import (
    check_distinct,
    check_norms,
    gather_by_turns,
    is_first_process,
    join_processes,
    leave_to_first_process,
)
from bundle.networks import PatchGANClassifier
from tests.two_processes import call_in_two_processes


def evaluate(items: list[dict[str, Any]], folder: Path) -> None:
    """Calibrate and evaluate on this process's part of some items, as evaluate.yaml does."""
    thresholds, weights = folder / "threshold.json", folder / "model.pt"
    runs = [
        [ThresholdCalibrationHandler(thresholds, weights, source="toy", false_positive_risk=0.4)],
        [
            EvaluationHandler(folder, thresholds, weights, source="toy"),
            SaveMapsHandler(folder / "maps"),
            SaveReportSlicesHandler(folder / "slices"),
        ],
    ]
    for handlers in runs:
        engine = Engine(lambda _, batch: batch)
        for handler in handlers:
            handler.attach(engine)
        engine.run([[item] for item in items[idist.get_rank() :: idist.get_world_size()]])


def train(state: Path, model: Path) -> list[float]:
    """Train for two epochs, each of which is the best so far; return the numbers that were drawn."""
    drawn: list[float] = []
    trainer = Engine(lambda *_: drawn.append(float(torch.rand(1))))
    EpochSeedHandler(5).attach(trainer)
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: engine.state.metrics.update(score=1.0))
    best = BestModelHandler(torch.nn.Linear(1, 1), model, "score")
    best.attach(trainer)
    TrainingStateHandler(state, {"best": best}).attach(trainer)
    trainer.run([0], max_epochs=2)
    return drawn


def message(check, *arguments) -> str:
    """Return the message of the ValueError that a check raises, or nothing."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def norm_message(norm: str) -> str:
    return message(check_norms, PatchGANClassifier(channels=(4, 4), strides=(1, 1, 1), norm=norm))


def work(rank: int, items: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Do all that the tests below look at."""
    own = folder / f"of_process_{rank}"
    own.mkdir()
    evaluate(items, folder)
    return {
        "gathered": gather_by_turns(list("abcde")[rank::2]),
        "distinct": [message(check_distinct, subjects) for subjects in ([f"s{rank}"], ["s", f"s{rank}"])],
        "norms": {norm: norm_message(norm) for norm in ("batch", "group", "instance", "none")},
        "drawn": train(own / "state.pt", own / "model.pt"),
        "files": sorted(path.name for path in own.iterdir()),
        "resumed": message(train, own / "state.pt", own / "model.pt"),
    }


@pytest.fixture(autouse=True)
def _restored():
    yield
    logging.disable(logging.NOTSET)
    set_determinism(None)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    idist.sync()


@pytest.fixture(scope="module")
def shared(five_items, tmp_path_factory):
    """Let two processes work on five items, and one process alone evaluate them; return folders and what they found."""
    folders = [tmp_path_factory.mktemp(name) for name in ("two_processes", "alone")]
    for folder in folders:
        (folder / "model.pt").write_bytes(b"weights")
    evaluate(five_items, folders[1])
    return *folders, call_in_two_processes(work, folders[0], five_items, folders[0])


def arrays(folder: Path) -> dict[str, dict[str, list[Any]]]:
    return {path.name: {name: values.tolist() for name, values in np.load(path).items()} for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["threshold.json", "subjects.csv", "summary.csv", "evaluation.json", "curves.json"])
def test_evaluation_is_that_of_one_process_to_the_byte(shared, name):
    folder, alone, _ = shared
    assert (folder / name).read_bytes() == (alone / name).read_bytes()


@pytest.mark.parametrize("name", ["maps", "slices"])
def test_files_of_the_subjects_are_those_of_one_process(shared, name):
    folder, alone, _ = shared
    assert arrays(folder / name) == arrays(alone / name) and len(arrays(folder / name)) == 5


def test_items_are_gathered_in_the_order_of_the_data(shared):
    first, second = shared[2]
    assert first["gathered"] == list("abcde") and second["gathered"] == []


def test_subject_of_two_processes_is_named(shared):
    for found in shared[2]:
        assert found["distinct"][0] == "" and "once, got 's' twice" in found["distinct"][1]


def test_batch_normalisation_is_refused(shared):
    for found in shared[2]:
        assert "trained by 2 processes, got 1 layers, such as blocks.1.norm" in found["norms"].pop("batch")
        assert set(found["norms"].values()) == {""}
    assert norm_message("batch") == ""  # in one process


def test_first_process_draws_the_numbers_of_one_and_the_other_its_own(shared, tmp_path):
    first, second = (found["drawn"] for found in shared[2])
    assert first == train(tmp_path / "state.pt", tmp_path / "model.pt") and len(set(first + second)) == 4


def test_only_the_first_process_saves(shared):
    first, second = shared[2]
    assert first["files"] == ["model.pt", "state.pt"] and second["files"] == []


def test_state_that_one_process_does_not_find_is_named(shared):
    for rank, found in enumerate(shared[2]):
        assert f"of_process_{rank}/state.pt: all processes must go on from" in found["resumed"]
        assert "found [2, 0]; use an output_dir that is one folder" in found["resumed"]


def test_process_that_was_started_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    join_processes("cpu")
    assert torch.distributed.get_backend() == "gloo" and idist.get_world_size() == 1 and is_first_process()
    leave_to_first_process()  # which it is
    assert not torch.distributed.is_initialized()


def test_place_on_the_node_is_that_of_torchrun_inside_a_slurm_job(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    for name, value in {"LOCAL_RANK": "3", "SLURM_JOB_ID": "7", "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    join_processes("cpu")
    assert idist.get_local_rank() == 3


def test_later_process_leaves_and_does_not_log(monkeypatch, caplog):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    join_processes("cpu")
    for level in (logging.INFO, logging.WARNING):
        logging.getLogger("bundle.test").log(level, logging.getLevelName(level))
    assert "WARNING" in caplog.messages and "INFO" not in caplog.messages
    with pytest.raises(SystemExit) as end:
        leave_to_first_process()
    assert end.value.code == 0 and not torch.distributed.is_initialized()


def test_process_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"got process 3 \(from 0\) for 2 GPUs"):
        join_processes("cuda")
