from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine, Events

from bundle.handlers import TrainingStateHandler


def make_run(
    path, max_epochs: int, stop_after: int | None = None, settings: dict | None = None, terminate_after: int = 0
):
    """Make a trainer that adds the epoch's number to a weight in each of three iterations."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)

    def step(engine: Engine, batch: int) -> None:
        network.weight.data += engine.state.epoch

    trainer = Engine(step)
    if terminate_after:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(once=terminate_after), Engine.terminate)
    TrainingStateHandler(path, {"network": network}, settings=settings).attach(trainer)
    if stop_after is not None:

        def interrupt(engine: Engine) -> None:
            raise KeyboardInterrupt

        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3 * stop_after + 2), interrupt)
    return trainer, network, max_epochs


def test_interrupted_run_continues_after_its_last_complete_epoch(tmp_path):
    trainer, network, epochs = make_run(tmp_path / "state.pt", 4, stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(range(3), max_epochs=epochs)
    trainer, network, epochs = make_run(tmp_path / "state.pt", 4)
    trainer.run(range(3), max_epochs=epochs)
    assert trainer.state.epoch == 4
    assert network.weight.item() == 3 * (1 + 2 + 3 + 4)


def test_resumed_run_may_be_longer(tmp_path):
    trainer, _, _ = make_run(tmp_path / "state.pt", 2)
    trainer.run(range(3), max_epochs=2)
    trainer, network, _ = make_run(tmp_path / "state.pt", 3)
    trainer.run(range(3), max_epochs=3)
    assert network.weight.item() == 3 * (1 + 2 + 3)


def test_no_partial_file_stays(tmp_path):
    trainer, _, _ = make_run(tmp_path / "folder" / "state.pt", 1)
    trainer.run(range(3), max_epochs=1)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["state.pt"]


def test_other_settings_are_refused(tmp_path):
    trainer, _, _ = make_run(tmp_path / "state.pt", 1, settings={"seed": 0})
    trainer.run(range(3), max_epochs=1)
    trainer, _, _ = make_run(tmp_path / "state.pt", 2, settings={"seed": 1})
    with pytest.raises(ValueError, match=r"seed=0, this run has 1"):
        trainer.run(range(3), max_epochs=2)


def test_state_of_other_objects_is_refused(tmp_path):
    trainer, _, _ = make_run(tmp_path / "state.pt", 1)
    trainer.run(range(3), max_epochs=1)
    trainer = Engine(lambda _, batch: None)
    TrainingStateHandler(tmp_path / "state.pt", {}).attach(trainer)
    with pytest.raises(ValueError, match=r"\['network', 'trainer'\]"):
        trainer.run(range(3), max_epochs=2)


def test_state_of_another_network_is_refused(tmp_path):
    trainer, _, _ = make_run(tmp_path / "state.pt", 1)
    trainer.run(range(3), max_epochs=1)
    handler = TrainingStateHandler(tmp_path / "state.pt", {"network": torch.nn.Linear(2, 1, bias=False)})
    with pytest.raises(ValueError, match=r"does not fit this run's network: .* weight with \(1, 1\) for .* \(1, 2\)"):
        handler.check()


def test_check_passes_without_a_file_and_with_the_own_one(tmp_path):
    path = tmp_path / "state.pt"
    TrainingStateHandler(path, {}).check()
    trainer, network, _ = make_run(path, 1)
    trainer.run(range(3), max_epochs=1)
    TrainingStateHandler(path, {"network": network}).check()


def test_run_that_was_stopped_early_stays_stopped(tmp_path):
    for _ in range(2):
        trainer, network, _ = make_run(tmp_path / "state.pt", 4, terminate_after=2)
        trainer.run(range(3), max_epochs=4)
        assert trainer.state.epoch == 2 and network.weight.item() == 3 * (1 + 2)


@pytest.mark.parametrize("content", [b"half a checkpoint", b"broken", b""], ids=["half", "text", "empty"])
def test_broken_file_is_named(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    trainer, _, _ = make_run(tmp_path / "state.pt", 1)
    with pytest.raises(ValueError, match=r"state\.pt: not a training state"):
        trainer.run(range(3), max_epochs=1)


def test_checkpoint_of_another_kind_is_named(tmp_path):
    torch.save({"weight": torch.ones(1)}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"state\.pt: not a training state \('settings'\)"):
        TrainingStateHandler(tmp_path / "state.pt", {}).check()
