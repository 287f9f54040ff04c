"""Readers of public and private cohorts: many layouts on disk, one datalist."""

from __future__ import annotations

from bundle.data.cohorts.datalist import write_datalist
from bundle.data.cohorts.description import describe_datalist, summarise
from bundle.data.cohorts.grids import size_rows
from bundle.data.cohorts.inspection import MASK_LABELS
from bundle.data.cohorts.registry import READERS, read_cohort
from bundle.data.cohorts.scan import Scan
from bundle.data.cohorts.split import FRACTIONS, first_of_each_patient, split_by_fractions, split_by_sizes
from bundle.data.cohorts.validation import KINDS, Validation, validate_cohort

__all__ = [
    "FRACTIONS",
    "KINDS",
    "MASK_LABELS",
    "READERS",
    "Scan",
    "Validation",
    "describe_datalist",
    "first_of_each_patient",
    "read_cohort",
    "size_rows",
    "split_by_fractions",
    "split_by_sizes",
    "summarise",
    "validate_cohort",
    "write_datalist",
]
