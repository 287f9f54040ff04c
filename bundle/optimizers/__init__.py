"""Optimisers and learning rates that PyTorch and torch-optimizer lack."""

from bundle.optimizers.learning_rates import parameter_groups, peak_rates
from bundle.optimizers.yogi import YogiAMSGrad

__all__ = ["YogiAMSGrad", "parameter_groups", "peak_rates"]
