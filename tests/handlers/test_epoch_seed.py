from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.transforms import Compose, RandScaleIntensity

from bundle.handlers import EpochSeedHandler


@pytest.fixture(autouse=True)
def _leave_determinism_off():
    yield
    from monai.utils import set_determinism

    set_determinism(None)


def draws(seed: int, epochs: int, skip: int = 0) -> list[tuple[float, float, float]]:
    """Draw from torch, NumPy and a transform in every epoch, starting after ``skip`` epochs."""
    transform = Compose([RandScaleIntensity(factors=0.5, prob=1.0)])
    found: list[tuple[float, float, float]] = []

    def step(engine: Engine, batch: int) -> None:
        scaled = transform(torch.ones(1, 2)).flatten()[0]
        legacy = float(np.random.rand())  # noqa: NPY002  # the global state is what is tested
        found.append((float(torch.rand(1)), legacy, float(scaled)))

    trainer = Engine(step)
    EpochSeedHandler(seed, transform).attach(trainer)
    trainer.load_state_dict({"epoch": skip, "max_epochs": epochs, "epoch_length": 1})
    trainer.run([0], max_epochs=epochs)
    return found


def test_epoch_draws_the_same_numbers_after_an_interruption():
    assert draws(5, 4, skip=2) == draws(5, 4)[2:]


def test_epochs_and_seeds_differ():
    first = draws(5, 2)
    assert first[0] != first[1]
    assert draws(50, 2) != first
