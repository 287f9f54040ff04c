"""Datalists, volumes and the transforms that bring them to the model's grid."""

from __future__ import annotations

from bundle.data.checks import check_affine, check_image_array, check_mask, check_volume
from bundle.data.datasets import PhantomDataset
from bundle.data.grid import BRAIN_CENTRE_MM, MODEL_ORIGIN_MM, MODEL_SHAPE, MODEL_SPACING_MM, FitToGridd
from bundle.data.intensity import RobustNormalizeIntensityd
from bundle.data.records import check_both_classes, list_volumes, load_datalist, validate_datalist
from bundle.data.splits import split_subjects
from bundle.data.transforms import FillMissingMaskd, LoadFlaird, MatchMaskGridd
from bundle.data.writer import AtomicNibabelWriter

__all__ = [
    "BRAIN_CENTRE_MM",
    "MODEL_ORIGIN_MM",
    "MODEL_SHAPE",
    "MODEL_SPACING_MM",
    "AtomicNibabelWriter",
    "FillMissingMaskd",
    "FitToGridd",
    "LoadFlaird",
    "MatchMaskGridd",
    "PhantomDataset",
    "RobustNormalizeIntensityd",
    "check_affine",
    "check_both_classes",
    "check_image_array",
    "check_mask",
    "check_volume",
    "list_volumes",
    "load_datalist",
    "split_subjects",
    "validate_datalist",
]
