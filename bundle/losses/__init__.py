"""Training losses."""

from bundle.losses.attribution import AttributionConstraintLoss

__all__ = ["AttributionConstraintLoss"]
