"""Optimisers that PyTorch and torch-optimizer lack."""

from bundle.optimizers.yogi import YogiAMSGrad

__all__ = ["YogiAMSGrad"]
