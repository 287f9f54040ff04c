"""Attribution methods for inference, and the points that training takes the attribution at."""

from __future__ import annotations

from bundle.attributions.base import Attribution
from bundle.attributions.deviation import HealthyDeviation
from bundle.attributions.expected_gradients import ExpectedGradientsAttribution
from bundle.attributions.grad_cam import GradCAMAttribution
from bundle.attributions.gradient import GradientAttribution
from bundle.attributions.integrated_gradients import IntegratedGradientsAttribution
from bundle.attributions.sampling import PathSampler

__all__ = [
    "Attribution",
    "ExpectedGradientsAttribution",
    "GradCAMAttribution",
    "GradientAttribution",
    "HealthyDeviation",
    "IntegratedGradientsAttribution",
    "PathSampler",
]
