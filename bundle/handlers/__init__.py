"""Ignite handlers: what an engine run needs beyond one forward pass."""

from __future__ import annotations

from bundle.handlers.adaptive_weight import AdaptiveWeightHandler
from bundle.handlers.adversarial import JointUpdate, WassersteinUpdate
from bundle.handlers.attribution import AttributionHandler
from bundle.handlers.audit_entries import audited_entries, check_audited
from bundle.handlers.best_model import BestModelHandler
from bundle.handlers.calibration import ThresholdCalibrationHandler, check_calibration
from bundle.handlers.constraint_ramp import ConstraintRampHandler
from bundle.handlers.convexity import ConvexityHandler
from bundle.handlers.early_stopping import ResumableEarlyStopHandler
from bundle.handlers.epoch_seed import EpochSeedHandler
from bundle.handlers.evaluation import EvaluationHandler
from bundle.handlers.gradient_clipping import GradientClippingHandler
from bundle.handlers.items import BrainVoxels, check_annotated
from bundle.handlers.loss_parts import LossPartsHandler
from bundle.handlers.maps import SaveMapsHandler, SubjectMaps, load_maps
from bundle.handlers.provenance import save_provenance
from bundle.handlers.report_slices import SaveReportSlicesHandler
from bundle.handlers.results import SaveResultsHandler
from bundle.handlers.running_config import save_running_config
from bundle.handlers.segmentation import AnomalySegmentationHandler
from bundle.handlers.shortcut_audit import ShortcutAuditHandler
from bundle.handlers.state_dicts import misfit, not_finite
from bundle.handlers.training_state import TrainingStateHandler

__all__ = [
    "AdaptiveWeightHandler",
    "AnomalySegmentationHandler",
    "AttributionHandler",
    "BestModelHandler",
    "BrainVoxels",
    "ConstraintRampHandler",
    "ConvexityHandler",
    "EpochSeedHandler",
    "EvaluationHandler",
    "GradientClippingHandler",
    "JointUpdate",
    "LossPartsHandler",
    "ResumableEarlyStopHandler",
    "SaveMapsHandler",
    "SaveReportSlicesHandler",
    "SaveResultsHandler",
    "ShortcutAuditHandler",
    "SubjectMaps",
    "ThresholdCalibrationHandler",
    "TrainingStateHandler",
    "WassersteinUpdate",
    "audited_entries",
    "check_annotated",
    "check_audited",
    "check_calibration",
    "load_maps",
    "misfit",
    "not_finite",
    "save_provenance",
    "save_running_config",
]
