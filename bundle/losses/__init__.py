"""Training losses."""

from bundle.losses.adversarial import EncoderLoss
from bundle.losses.attribution import AttributionConstraintLoss
from bundle.losses.log_barrier import AttentionSizeLoss
from bundle.losses.reconstruction import AutoencoderLoss, DenoisingLoss

__all__ = ["AttentionSizeLoss", "AttributionConstraintLoss", "AutoencoderLoss", "DenoisingLoss", "EncoderLoss"]
