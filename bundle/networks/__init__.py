"""Networks whose forward pass returns the decision and its attribution."""

from bundle.networks.attribution_net import AttributionNet
from bundle.networks.patchgan import PatchGANClassifier, patchgan_monotonic, patchgan_paper

__all__ = ["AttributionNet", "PatchGANClassifier", "patchgan_monotonic", "patchgan_paper"]
