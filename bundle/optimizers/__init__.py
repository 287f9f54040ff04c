"""Optimisers and learning rates that PyTorch and torch-optimizer lack."""

from bundle.optimizers.relative_rates import peak_rates, relative_rates
from bundle.optimizers.yogi import YogiAMSGrad

__all__ = ["YogiAMSGrad", "peak_rates", "relative_rates"]
