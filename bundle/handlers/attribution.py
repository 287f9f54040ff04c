"""Handler that unpacks the prediction and adds further attribution maps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from monai.networks.utils import eval_mode
from monai.utils import convert_to_tensor

from bundle.attributions import Attribution
from bundle.conventions import ATTRIBUTION, IMAGE, INTENSITY, LABEL, LOGIT, MASK, PRED, split_prediction

_RESERVED = (ATTRIBUTION, IMAGE, INTENSITY, LABEL, LOGIT, MASK, PRED)


class AttributionHandler:
    """Put the attribution map and the logit of a forward pass into the engine's output, and other maps beside them.

    It acts at FORWARD_COMPLETED, before decollation, so that postprocessing finds the maps. The prediction itself
    stays. Further methods run in eval mode with gradients enabled, whatever the engine's own mode; the network's mode
    is restored afterwards. A method that an evaluation's prediction already answers does not run the network again.

    Args:
        network: the network to explain; needed when ``methods`` are given.
        methods: key of the output -> attribution method. The output is ``(B, C, *spatial)``.

    Raises:
        ValueError: When methods come without a network, or use a key that the workflow needs itself.
    """

    def __init__(
        self, network: torch.nn.Module | None = None, methods: Mapping[str, Attribution] | None = None
    ) -> None:
        self.network = network
        self.methods = dict(methods or {})
        if self.methods and network is None:
            raise ValueError(f"methods {sorted(self.methods)} need a network, got None. Pass network: '@network'.")
        taken = sorted(set(self.methods) & set(_RESERVED))
        if taken:
            raise ValueError(f"methods must not use the reserved keys {sorted(_RESERVED)}, got {taken}. Rename them.")

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator or trainer of MONAI."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Extend ``engine.state.output``."""
        output: dict[str, torch.Tensor] = engine.state.output  # type: ignore[assignment]
        attribution, logit = split_prediction(output[PRED])
        output[ATTRIBUTION] = attribution
        output[LOGIT] = convert_to_tensor(logit, track_meta=False)
        if self.network is None:
            return
        pred = output[PRED] if self._is_own_evaluation(engine) else None
        with eval_mode(self.network), torch.enable_grad():
            for name, method in self.methods.items():
                output[name] = method(self.network, output[IMAGE], pred)

    def _is_own_evaluation(self, engine: Engine) -> bool:
        # The network's own flag does not tell: the engine has put it back into the mode it had before the forward pass.
        return getattr(engine, "mode", None) is eval_mode and getattr(engine, "network", None) is self.network
