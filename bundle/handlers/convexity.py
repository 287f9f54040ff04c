"""Keep a classifier convex while it is trained."""

from __future__ import annotations

from ignite.engine import Engine, Events
from torch import nn

from bundle.networks import PatchGANClassifier


class ConvexityHandler:
    """After every step of the optimiser, set the weights to 0 that would make the logit non-convex in the image.

    That is a projected gradient step, see `bundle.networks.convexity`. A network without a convex classifier is left as
    it is.

    Args:
        network: the network in training.
    """

    def __init__(self, network: nn.Module) -> None:
        self.classifiers = [module for module in network.modules() if isinstance(module, PatchGANClassifier)]

    def attach(self, engine: Engine) -> None:
        """Register on a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Project the weights that the optimiser has left."""
        for classifier in self.classifiers:
            classifier.project()
