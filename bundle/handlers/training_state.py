"""Resume an interrupted training where it stopped."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import ignite.distributed as idist
import monai
import torch
from ignite.engine import Engine, Events

from bundle.handlers.processes import is_first_process
from bundle.handlers.saving import load_safely, save_atomically
from bundle.handlers.state_dicts import misfit

logger = logging.getLogger(__name__)


class TrainingStateHandler:
    """Save all that a training run remembers after each epoch, and take it up again when the run is started anew.

    With `EpochSeedHandler` a run that was killed and resumed ends with the weights of an uninterrupted one: the epoch
    that was cut off is run again with the same random numbers. Put it last among the trainer's handlers, so that the
    epoch's validation and schedule are part of what it saves. A run that early stopping had ended stays ended.

    Of several processes the first one saves and all load, so they must share the file. The state is that of any number
    of processes: a run may go on with more or fewer.

    Args:
        path: file of the state; it is replaced after every epoch and is complete at any time.
        objects: everything with a ``state_dict`` that changes during training, by name; the trainer is added.
        map_location: device to load tensors to.
        settings: values that must not differ between the interrupted and the resumed run, such as the seed.

    Raises:
        ValueError: When the file cannot be read, was written by a run with other objects or settings, or is not found
            by every process.
    """

    def __init__(
        self,
        path: str | Path,
        objects: Mapping[str, Any],
        map_location: torch.device | str = "cpu",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.map_location = map_location
        self.settings = dict(settings or {})

    def attach(self, engine: Engine) -> None:
        """Register on the trainer."""
        self.objects["trainer"] = engine
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _save(self, engine: Engine) -> None:
        if not is_first_process():
            return
        content = {
            "settings": self.settings,
            "states": {name: item.state_dict() for name, item in self.objects.items()},
            "stopped": engine.should_terminate,
            "versions": {
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "monai": str(monai.__version__),
            },
        }
        save_atomically(content, self.path)

    def check(self) -> None:
        """Read the file, if there is one, and check that this run can go on from it.

        Raises:
            ValueError: When it cannot.
        """
        self._read()

    def _load(self, engine: Engine) -> None:
        saved = self._read()
        self._check_shared(saved)
        if saved is None:
            return
        max_epochs = engine.state.max_epochs
        for name, item in self.objects.items():
            item.load_state_dict(saved["states"][name])
        engine.state.max_epochs = max_epochs  # a longer run may go on from a shorter one
        logger.info("resumed after epoch %d from %s", engine.state.epoch, self.path)
        if saved.get("stopped"):
            logger.info("early stopping had ended this training; use another output_dir to train again")
            engine.terminate()

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            saved = load_safely(self.path, self.map_location)
            settings, states = saved["settings"], saved["states"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path}: not a training state ({error}); remove it to start anew, or use another output_dir"
            ) from error
        self._check(settings, states)
        return dict(saved)

    def _check_shared(self, saved: Mapping[str, Any] | None) -> None:
        """Check, once every process has read the file, that all have found the same."""
        iteration = 0 if saved is None else int(saved["states"]["trainer"]["iteration"])
        found = cast(list[int], idist.all_gather(iteration))
        if len(set(found)) > 1:
            raise ValueError(
                f"{self.path}: all processes must go on from the same iteration, found {found}; "
                "use an output_dir that is one folder for every node"
            )

    def _check(self, settings: Mapping[str, Any], states: Mapping[str, Any]) -> None:
        for name, value in self.settings.items():
            if settings.get(name) != value:
                raise ValueError(
                    f"{self.path}: written with {name}={settings.get(name)!r}, this run has {value!r}; "
                    "use the same settings, another output_dir, or remove the file to start anew"
                )
        needed = {*self.objects, "trainer"}
        if states.keys() != needed:
            raise ValueError(
                f"{self.path}: holds {sorted(states)}, this run needs {sorted(needed)}; "
                "use another output_dir, or remove the file to start anew"
            )
        for name, item in self.objects.items():
            problem = misfit(item, states[name]) if isinstance(item, torch.nn.Module) else ""
            if problem:
                raise ValueError(
                    f"{self.path}: does not fit this run's {name}: {problem}; "
                    "use the same settings, another output_dir, or remove the file to start anew"
                )
