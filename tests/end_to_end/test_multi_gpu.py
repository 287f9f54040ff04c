"""The multi-GPU overlays under torchrun with two processes on the CPU: their results against those of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from ignite import distributed as idist
from monai.bundle import ConfigParser
from monai.bundle import run as run_workflow
from monai.utils import set_determinism

# MONAI's and Ignite's own; tests of the parts have warnings as errors
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[2]
EPOCHS = 3
TRAINING = {"max_epochs": EPOCHS, "batch_size": 3, "num_workers": 0, "train#random_transforms": "[]"}
PATIENCE_S = 300.0  # for a machine that is busy with other work
WRITERS = ("TensorBoardStatsHandler", "ignite.handlers.ProgressBar")
METHODS = sorted(path.stem for path in (ROOT / "configs" / "methods").glob("*.yaml"))


@pytest.fixture(scope="module")
def start(bundle_arguments):
    """Start a workflow with its multi-GPU overlay in two processes."""

    def start(workflow, *overlays, **options):
        configs = [f"configs/{name}.yaml" for name in (workflow, *overlays, f"multi_gpu_{workflow}")]
        process = bundle_arguments(str(configs), **options)
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
        process["args"] = [*torchrun, *process["args"][1:]]
        process["env"]["GLOO_SOCKET_IFNAME"] = "lo"
        return subprocess.Popen(**process, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def finish(process):
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return output


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def run(bundle_arguments):
    """Run a workflow in this process alone, which saves a new one's imports."""

    def run(workflow, **options):
        arguments = bundle_arguments(f"{workflow}.yaml", **options)["args"][4:]
        options = {name.removeprefix("--"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
        threads = torch.get_num_threads()
        with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
            patch.chdir(ROOT)
            torch.set_num_threads(1)  # as torchrun sets it: sums are taken in another order by two
            try:
                run_workflow(**{name: yaml.safe_load(value) for name, value in options.items()})
            finally:
                torch.set_num_threads(threads)
                set_determinism(None)

    return run


def kill_later_process(torchrun, state):
    """Kill the second process once a state has been written, as a failing GPU does; torchrun then ends the first."""
    deadline = time.monotonic() + PATIENCE_S
    while not state.exists():
        assert torchrun.poll() is None and time.monotonic() < deadline, torchrun.communicate()
        time.sleep(0.005)
    workers = Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children").read_text().split()
    ranks = {Path(f"/proc/{pid}/environ").read_bytes().split(b"\0RANK=")[1].split(b"\0")[0]: pid for pid in workers}
    os.kill(int(ranks[b"1"]), signal.SIGKILL)
    torchrun.communicate(timeout=PATIENCE_S)
    assert torchrun.returncode == 1


@pytest.fixture(scope="module")
def resumed(start, run, training_cohort, tmp_path_factory):
    """Kill a training of two processes, and end it with two and with one; return both folders."""
    folders = [tmp_path_factory.mktemp(name) for name in ("two_processes", "two_then_one")]
    options = {"dataset_dir": training_cohort, "output_dir": folders[0], **TRAINING}
    state = folders[0] / "training_state.pt"
    kill_later_process(start("train", **options), state)
    assert 3 <= load(state)["states"]["trainer"]["iteration"] < 3 * EPOCHS
    (folders[1] / state.name).write_bytes(state.read_bytes())
    finish(start("train", **options))
    run("train", **{**options, "output_dir": folders[1]})
    return folders


def test_killed_and_resumed_training_is_that_of_one_process(resumed, run, training_cohort, tmp_path):
    run("train", dataset_dir=training_cohort, output_dir=tmp_path, **TRAINING)
    expected = load(tmp_path / "training_state.pt")["states"]
    for folder in resumed:
        found = load(folder / "training_state.pt")["states"]
        assert found["trainer"]["iteration"] == expected["trainer"]["iteration"] == 3 * EPOCHS
        torch.testing.assert_close(found["network"], expected["network"], rtol=0, atol=1e-6)
        assert found["lr_scheduler"] == expected["lr_scheduler"]
        assert found["early_stopping"]["counter"] == expected["early_stopping"]["counter"]
        assert found["best_model"]["best"] == pytest.approx(expected["best_model"]["best"], abs=1e-3)  # of 9000 voxels


def test_compiled_training_is_that_of_one_process(start, run, training_cohort, tmp_path):
    options = {"dataset_dir": training_cohort, **TRAINING, "max_epochs": 1}
    compilation = {"compile": "true", "train#compilation": "{'backend': 'aot_eager'}"}
    shared = start("train", output_dir=tmp_path / "shared", **options, **compilation)
    run("train", output_dir=tmp_path / "alone", **options)
    finish(shared)
    found, expected = (load(tmp_path / name / "model_final.pt") for name in ("shared", "alone"))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_one_process_writes(resumed):
    names = [path.name for path in resumed[0].iterdir()]
    events = [name for name in names if name.startswith("events.")]
    assert len(events) == 2 * 2  # two handlers, started twice
    assert set(names) - set(events) == {"model.pt", "model_final.pt", "training_state.pt", "config.json"}


def test_evaluation_is_that_of_one_process(start, run, resumed, cohort, tmp_path):
    options = {"dataset_dir": cohort, "model_file": resumed[0] / "model.pt"}
    shared = start("evaluate", output_dir=tmp_path / "shared", **options)
    run("evaluate", output_dir=tmp_path / "alone", report=False, **options)
    assert finish(shared).count("# Evaluation: ") == 1
    names = {path.name for path in (tmp_path / "alone").iterdir()}
    assert {path.name for path in (tmp_path / "shared").iterdir()} - names == {
        "report.html",
        "report_figures",
        "report_slices",
    }
    same = names - {"evaluation_config.json", "evaluation_provenance.json"}  # which name the overlay and the command
    assert {"threshold.json", "subjects.csv", "summary.csv", "evaluation.json", "curves.json"} < same
    for name in same:
        assert (tmp_path / "shared" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def parser_of(*names):
    parser = ConfigParser()
    parser.read_config([ROOT / "configs" / f"{name}.yaml" for name in names])
    return parser


@pytest.mark.parametrize("base", [["train"], ["train", "train_2d"]], ids="+".join)
@pytest.mark.parametrize("method", [None, *METHODS])
def test_handlers_that_write_are_left_to_the_first_process(base, method):
    parser = parser_of(*base, *([f"methods/{method}"] if method else []), "multi_gpu_train")
    handlers = [item for item in parser["train::handlers"] + parser["validate::handlers"] if isinstance(item, dict)]
    left = [handler["_target_"] for handler in handlers if handler.get("_disabled_") == "$idist.get_rank() > 0"]
    assert left == [handler["_target_"] for handler in handlers if handler["_target_"] in WRITERS] and len(left) == 3


@pytest.mark.parametrize("overlays", [[], ["evaluate_2d"], ["attributions"]], ids=str)
def test_processes_leave_after_the_last_run_that_they_share(overlays):
    plain, shared = parser_of("evaluate", *overlays), parser_of("evaluate", *overlays, "multi_gpu_evaluate")
    assert shared["run"][1] == [plain["run"][1], "$leave_to_first_process()"]
    assert "evaluator.run()" in plain["run"][1] and not any("evaluator.run()" in line for line in plain["run"][2:])


BATCH_NORM = {"network_def::classifier::norm": "batch", "network_def::classifier::convex": False}


@pytest.mark.parametrize(
    ("workflow", "options", "match"),
    [
        pytest.param("train", BATCH_NORM, "by 2 processes, got 2 layers", id="norm"),
        pytest.param("train", {"validate::dataset::data": [{}]}, "one image for each of the 2 .* got 1", id="section"),
        pytest.param("evaluate", {"dataset::data": [{}]}, "one image for each of the 2 .* got 1", id="evaluation"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_network(workflow, options, match, cohort, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    parser = parser_of(workflow, f"multi_gpu_{workflow}")
    parser.update({"device": "cpu", "dataset_dir": str(cohort), **options})
    try:
        with pytest.raises(SystemExit, match=f"^error: [^\n]*{match}[^\n]*$"):
            parser.get_parsed_content("network")
    finally:
        torch.distributed.destroy_process_group()
        idist.sync()
