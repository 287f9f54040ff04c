"""Make each epoch's random numbers a function of the seed and the epoch alone."""

from __future__ import annotations

import ignite.distributed as idist
import numpy as np
from ignite.engine import Engine, Events
from monai.transforms import Randomizable
from monai.utils import set_determinism


class EpochSeedHandler:
    """Seed every source of random numbers at the start of each epoch.

    A run that was killed and resumed from the last epoch's checkpoint then draws the same batches and augmentations as
    one that was never interrupted.

    Of several processes the first one has the numbers of a process alone, which decide the batches of all, see
    `bundle.data.sampling.BalancedBatchSampler`. The others have numbers of their own: with the same ones the n-th image
    of every process would be augmented alike.

    Args:
        seed: the run's seed; epoch ``e`` uses ``seed + e``, in a later process together with its rank.
        transform: the training transforms. With loader workers they are seeded again in each worker from the same
            numbers.
    """

    def __init__(self, seed: int, transform: Randomizable | None = None) -> None:
        self.seed = seed
        self.transform = transform

    def attach(self, engine: Engine) -> None:
        """Register on ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed Python, NumPy, PyTorch and the transforms for the epoch that starts."""
        seed, rank = self.seed + engine.state.epoch, idist.get_rank()
        if rank > 0:
            seed = int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])
        set_determinism(seed)
        if self.transform is not None:
            self.transform.set_random_state(seed)
