"""Ignite handlers: what an engine run needs beyond one forward pass."""

from __future__ import annotations

from bundle.handlers.attribution import AttributionHandler
from bundle.handlers.best_model import BestModelHandler
from bundle.handlers.calibration import ThresholdCalibrationHandler
from bundle.handlers.constraint_ramp import ConstraintRampHandler
from bundle.handlers.early_stopping import ResumableEarlyStopHandler
from bundle.handlers.epoch_seed import EpochSeedHandler
from bundle.handlers.evaluation import EvaluationHandler
from bundle.handlers.gradient_clipping import GradientClippingHandler
from bundle.handlers.items import BrainVoxels, check_annotated
from bundle.handlers.loss_parts import LossPartsHandler
from bundle.handlers.results import SaveResultsHandler
from bundle.handlers.running_config import save_running_config
from bundle.handlers.segmentation import AnomalySegmentationHandler
from bundle.handlers.state_dicts import misfit, not_finite
from bundle.handlers.training_state import TrainingStateHandler

__all__ = [
    "AnomalySegmentationHandler",
    "AttributionHandler",
    "BestModelHandler",
    "BrainVoxels",
    "ConstraintRampHandler",
    "EpochSeedHandler",
    "EvaluationHandler",
    "GradientClippingHandler",
    "LossPartsHandler",
    "ResumableEarlyStopHandler",
    "SaveResultsHandler",
    "ThresholdCalibrationHandler",
    "TrainingStateHandler",
    "check_annotated",
    "misfit",
    "not_finite",
    "save_running_config",
]
