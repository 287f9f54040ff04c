"""DICOM series as input, DICOM SEG as output; needs the optional packages pydicom and highdicom."""

from __future__ import annotations

from bundle.data.dicom.files import find_series_folders, require
from bundle.data.dicom.segmentation import Algorithm, write_segmentation
from bundle.data.dicom.series import DicomSeries, read_series

__all__ = ["Algorithm", "DicomSeries", "find_series_folders", "read_series", "require", "write_segmentation"]
