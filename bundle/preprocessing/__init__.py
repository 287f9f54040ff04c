"""From native scans to the model's grid: brain extraction, registration, bias correction, resampling."""

from __future__ import annotations

from bundle.preprocessing.brain_extraction import METHODS, extract_brain
from bundle.preprocessing.inputs import Subject, list_subjects
from bundle.preprocessing.native import restore_masks
from bundle.preprocessing.pipeline import preprocess
from bundle.preprocessing.registration import Registration, register
from bundle.preprocessing.runner import run
from bundle.preprocessing.settings import Settings
from bundle.preprocessing.subject import summary

__all__ = [
    "METHODS",
    "Registration",
    "Settings",
    "Subject",
    "extract_brain",
    "list_subjects",
    "preprocess",
    "register",
    "restore_masks",
    "run",
    "summary",
]
