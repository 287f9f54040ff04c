"""configs/train.yaml from the command line: its files, its repetition to the bit, its resumption after a SIGKILL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EPOCHS = 6
SETTINGS = {"max_epochs": EPOCHS, "val_interval": 2, "batch_size": 2}  # three iterations an epoch
PATIENCE_S = 300.0  # for a machine that is busy with other work


@pytest.fixture(scope="module")
def train(run_bundle, training_cohort, tmp_path_factory):
    """Train to the end in a new folder, or in a given one, and return the folder."""

    def train(output_dir=None, config="train.yaml", **options):
        output_dir = output_dir or tmp_path_factory.mktemp("training") / "made by the run"
        options = {"dataset_dir": training_cohort, "output_dir": output_dir, "num_workers": 0, **SETTINGS, **options}
        run = run_bundle(config, **options)
        assert run.returncode == 0, run.stderr
        return output_dir

    return train


@pytest.fixture(scope="module")
def output_dir(train):
    return train()


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def assert_same_training(first, second):
    """Compare the best weights and all that the last epoch left behind, to the bit."""
    one, other = load(first / "training_state.pt")["states"], load(second / "training_state.pt")["states"]
    assert one["trainer"]["iteration"] == other["trainer"]["iteration"] == 3 * EPOCHS
    for name in ("lr_scheduler", "constraint_weight", "best_model", "early_stopping"):
        assert one[name] == other[name], name
    for name in ("network", "optimizer"):
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)
    torch.testing.assert_close(load(first / "model.pt"), load(second / "model.pt"), rtol=0, atol=0)


def scalars(folder):
    """Read tag -> steps of all event files of a folder."""
    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        events = EventAccumulator(str(path)).Reload()
        for tag in events.Tags()["scalars"]:
            found.setdefault(tag, set()).update(event.step for event in events.Scalars(tag))
    return found


def test_files_of_a_training(output_dir, make_network):
    names = {"events" if path.name.startswith("events.") else path.name for path in output_dir.iterdir()}
    assert names == {"model.pt", "model_final.pt", "training_state.pt", "config.json", "events"}
    for config in ("inference.yaml", "evaluate.yaml"):  # their network_def is the one that was trained
        make_network(config).load_state_dict(load(output_dir / "model.pt"))
    state = load(output_dir / "training_state.pt")
    assert state["states"]["best_model"]["best"] > 0 and state["settings"]["seed"] == 0
    config = json.loads((output_dir / "config.json").read_text())
    assert config["max_epochs"] == EPOCHS and config["network_def"]["classifier"]["channels"] == [4, 8, 8]


def test_parts_of_the_loss_and_validation_are_logged(output_dir):
    found = scalars(output_dir)
    assert found["loss"] == set(range(1, 3 * EPOCHS + 1))
    for tag in ("classification_loss", "attribution_loss", "healthy_attribution_mean", "healthy_negative_fraction"):
        assert found[tag] == set(range(1, EPOCHS + 1)), tag
    for tag in ("val_accuracy", "val_healthy_negative_fraction", "val_constrained_accuracy"):
        assert found[tag] == {2, 4, 6}, tag


def test_seed_decides_the_weights(output_dir, train):
    assert_same_training(output_dir, train())
    first, other = load(output_dir / "model.pt"), load(train(seed=1) / "model.pt")
    kernels = [name for name in first if name.endswith("conv.weight")]
    assert kernels and not any(torch.equal(first[name], other[name]) for name in kernels)


def test_volumes_on_the_device_give_the_same_weights(train, output_dir):
    assert_same_training(train(config="['configs/train.yaml','configs/gpu_cache.yaml']"), output_dir)


def test_checkpointing_of_activations_changes_nothing(output_dir, train):
    folder = train(use_checkpoint="true")
    assert json.loads((folder / "config.json").read_text())["use_checkpoint"] == "true"
    assert_same_training(output_dir, folder)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_training_gives_the_same_weights(output_dir, train):
    expected, found = (load(folder / "model_final.pt") for folder in (output_dir, train(compile="true")))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_killed_training_ends_as_an_uninterrupted_one(
    output_dir, train, start_bundle, training_cohort, tmp_path, num_workers
):
    uninterrupted = output_dir if num_workers == 0 else train(num_workers=num_workers)
    options = {"dataset_dir": training_cohort, "output_dir": tmp_path, "num_workers": num_workers, **SETTINGS}
    process = start_bundle("train.yaml", **options)
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "training_state.pt").exists():  # written after the first epoch, under its name when complete
        assert process.poll() is None and time.monotonic() < deadline, "training ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    epochs = load(tmp_path / "training_state.pt")["states"]["trainer"]["iteration"] // 3
    assert 1 <= epochs < EPOCHS
    train(tmp_path, num_workers=num_workers)
    assert_same_training(uninterrupted, tmp_path)
    assert {path.suffix for path in tmp_path.glob(".*")} == set(), "a part of a file was left"
    for tag, steps in scalars(uninterrupted).items():
        if tag != "loss":
            assert scalars(tmp_path)[tag] == steps, tag  # also those of the epochs before the kill


def snapshot(folder, *names):
    return {name: (folder / name).read_bytes() for name in names}


def test_other_settings_in_the_same_folder_are_refused(output_dir, run_bundle, training_cohort):
    names = ("model.pt", "training_state.pt", "config.json")
    before = snapshot(output_dir, *names)
    options = {"dataset_dir": training_cohort, "output_dir": output_dir, "num_workers": 0, **SETTINGS}
    run = run_bundle("train.yaml", **options, seed=3)
    assert run.returncode == 1
    (line,) = run.stderr.strip().splitlines()
    assert line.startswith("error: ") and "training_state.pt: written with seed=0, this run has 3; use the same" in line
    assert snapshot(output_dir, *names) == before


def test_finished_training_started_again_changes_nothing(output_dir, train):
    before = snapshot(output_dir, "model.pt", "training_state.pt")
    train(output_dir)
    assert snapshot(output_dir, "model.pt", "training_state.pt") == before
