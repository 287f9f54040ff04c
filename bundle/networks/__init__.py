"""Networks whose forward pass returns the decision and its attribution, and those that reconstruct healthy images."""

from bundle.networks.attention_vae import AttentionNet
from bundle.networks.attribution_net import AttributionNet
from bundle.networks.denoising import DenoisingNet
from bundle.networks.f_anogan import FAnoGANNet
from bundle.networks.healthy_atlas import HealthyAtlas, fit_atlas
from bundle.networks.map_smoothing import MapSmoothing
from bundle.networks.patchgan import PatchGANClassifier, patchgan_monotonic, patchgan_paper
from bundle.networks.reconstruction import AutoencoderNet

__all__ = [
    "AttentionNet",
    "AttributionNet",
    "AutoencoderNet",
    "DenoisingNet",
    "FAnoGANNet",
    "HealthyAtlas",
    "MapSmoothing",
    "PatchGANClassifier",
    "fit_atlas",
    "patchgan_monotonic",
    "patchgan_paper",
]
