"""Inferer that adds the map of a chosen attribution method to a prediction, and the transform that takes it out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.inferers import Inferer
from monai.transforms import MapTransform

from bundle.attributions import Attribution, GradCAMAttribution, IntegratedGradientsAttribution
from bundle.conventions import ATTRIBUTION, join_prediction, split_prediction

EXPLANATION = "explanation"
"""Key of the map of the chosen method; the mask is always made from the gradient, which has a calibrated threshold."""

GRADIENT = "gradient"

METHODS: tuple[str, ...] = (GRADIENT, "integrated_gradients", "grad_cam")
"""Names of the methods, the default first. Expected gradients need other images as references and are left out."""

_MAKE: dict[str, Callable[[], Attribution]] = {
    "integrated_gradients": IntegratedGradientsAttribution,
    "grad_cam": GradCAMAttribution,
}


def chosen(option: Any) -> Any:
    """Return the choice of an option: a viewer sends one value, or the list of all with the choice in front."""
    return option[0] if isinstance(option, (list, tuple)) and option else option


def check_method(method: Any) -> str:
    """Return the name of a method.

    Raises:
        ValueError: When there is no such method.
    """
    name = chosen(method)
    if name not in METHODS:
        raise ValueError(f"attribution_method must be one of {', '.join(METHODS)}, got {name!r}. Correct the name.")
    return str(name)


class ExplanationInferer(Inferer):
    """Run the network, and once more for another map than the gradient that it returns itself.

    Args:
        method: one of :py:data:`METHODS`, or a list whose first entry it is.

    Shape:
        - image: ``(B, C, *spatial)``.
        - output: ``(B, C + 1, *spatial)`` for the gradient, see :py:func:`bundle.conventions.join_prediction`; for
          other methods ``(B, 2C + 1, *spatial)`` with their map after that of the gradient.

    Raises:
        ValueError: When ``method`` is unknown.
    """

    def __init__(self, method: str | Sequence[str] = GRADIENT) -> None:
        super().__init__()
        self.method = check_method(method)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Return the prediction, with the map of the method."""
        pred = network(inputs, *args, **kwargs)
        if self.method == GRADIENT:
            return pred
        if not isinstance(network, torch.nn.Module):
            raise ValueError(f"{self.method} needs a network of torch, got {type(network).__name__}.")
        attribution, logit = split_prediction(pred)
        with torch.enable_grad():
            explanation = _MAKE[self.method]()(network, inputs)
        return join_prediction(torch.cat([attribution, explanation.to(attribution)], dim=1), logit)


class TakeExplanationd(MapTransform):
    """Part the channels of :py:class:`ExplanationInferer`: the gradient stays, the method's map gets its own key.

    Without a second map the gradient is the explanation, too.

    Args:
        keys: key of the maps.
        output_key: key of the method's map.
        channels: channels of each map.

    Shape:
        - maps: ``(C, *spatial)`` or ``(2C, *spatial)``.
        - output: ``(C, *spatial)`` each.
    """

    def __init__(self, keys: KeysCollection = ATTRIBUTION, output_key: str = EXPLANATION, channels: int = 1) -> None:
        super().__init__(keys)
        self.output_key = output_key
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with both maps."""
        item = dict(data)
        for key in self.key_iterator(item):
            maps = item[key]
            item[key], item[self.output_key] = maps[: self.channels], maps[-self.channels :]
        return item
