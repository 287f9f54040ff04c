"""Handler that turns attribution maps into anomaly masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ignite.engine import Engine
from monai.handlers import PostProcessing

from bundle.handlers.items import decollated_items


class AnomalySegmentationHandler(PostProcessing):
    """Apply anomaly transforms to every decollated item, after the engine's own postprocessing.

    It acts at MODEL_COMPLETED, so metrics at ITERATION_COMPLETED see the masks, and runs the very transforms that
    ``postprocessing`` uses where no handler runs (MONAI Label).

    Args:
        transform: transform of one item's dictionary, such as :py:class:`bundle.anomaly.AnomalyThresholdd` or a
            ``Compose`` that begins with :py:class:`bundle.anomaly.AnomalyMapd`.
    """

    def __init__(self, transform: Callable[[Mapping[Any, Any]], Mapping[Any, Any]]) -> None:
        super().__init__(transform=transform, event="MODEL_COMPLETED")

    def __call__(self, engine: Engine) -> None:
        """Transform the items; raises ValueError when the engine does not decollate."""
        decollated_items(engine)
        super().__call__(engine)
