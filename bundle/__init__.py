"""Brain FLAIR anomaly segmentation by a classifier whose gradient attributions are constrained."""

__version__ = "0.1.0"
