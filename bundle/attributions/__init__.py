"""Attribution methods for inference."""

from __future__ import annotations

from bundle.attributions.base import Attribution
from bundle.attributions.gradient import GradientAttribution

__all__ = ["Attribution", "GradientAttribution"]
