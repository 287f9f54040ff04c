"""Measures of ranking and overlap, and their summaries."""

from __future__ import annotations

from bundle.metrics.agreement import pearson
from bundle.metrics.constraint import HealthyNegativeFraction, decision_and_label
from bundle.metrics.lesions import LesionDetection, VolumeClass, detection_by_volume
from bundle.metrics.overlap import dice, volume_ml
from bundle.metrics.ranking import FPR_MAX, RankingCurve, auprc, auroc, auroc10
from bundle.metrics.sorted_voxels import SortedVoxels
from bundle.metrics.summary import classification_rates, mean, standard_deviation
from bundle.metrics.volume_agreement import VolumeAgreement, volume_agreement
from bundle.metrics.voxel_ranking import VoxelRanking, ranking_values

__all__ = [
    "FPR_MAX",
    "HealthyNegativeFraction",
    "LesionDetection",
    "RankingCurve",
    "SortedVoxels",
    "VolumeAgreement",
    "VolumeClass",
    "VoxelRanking",
    "auprc",
    "auroc",
    "auroc10",
    "classification_rates",
    "decision_and_label",
    "detection_by_volume",
    "dice",
    "mean",
    "pearson",
    "ranking_values",
    "standard_deviation",
    "volume_agreement",
    "volume_ml",
]
