"""Write an anomaly mask as DICOM SEG that refers to the series it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.data.dicom.files import require
from bundle.data.files import written_whole

_SERIES_NUMBER = 9000  # above those of a scanner
_LONG_STRING = 64  # characters, DICOM part 5, section 6.2
_DESCRIPTION = "FLAIR anomaly, automatic, not for diagnosis"


@dataclass(frozen=True)
class Algorithm:
    """What made a mask.

    Args:
        name: name of the model.
        version: its version.
        weights_sha256: hash of its weights.
        parameters: name -> value of what the mask depends on, such as the threshold.
        source: where it comes from.
    """

    name: str
    version: str
    weights_sha256: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    source: str = "research software, not a medical device"


def write_segmentation(mask: NDArray[Any], files: Sequence[Path], path: Path, algorithm: Algorithm) -> None:
    """Write a binary DICOM SEG with one segment, "Anomaly".

    Its frames are the slices of the source series, without those that are empty. An empty mask is written with all its
    frames, so that "nothing was found" can be told from "was not run".

    Args:
        mask: mask on the grid of the series, 0 or 1.
        files: files of its slices, in the order of the mask's last axis.
        path: file to write.
        algorithm: what made the mask.

    Shape:
        - mask: ``(columns, rows, slices)``.

    Raises:
        ValueError: When highdicom is not installed, the mask does not fit the slices, or the source lacks what a SEG
            must repeat.
    """
    hd, pydicom = require("highdicom"), require("pydicom")
    sources = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    expected = (int(sources[0].Columns), int(sources[0].Rows), len(sources))
    if mask.shape != expected:
        raise ValueError(f"{path}: a mask must have the shape of its series {expected}, got {mask.shape}")
    try:
        segmentation = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=np.ascontiguousarray(mask.T > 0),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_segment(algorithm)],
            series_instance_uid=hd.UID(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=algorithm.source,
            manufacturer_model_name=algorithm.name,
            software_versions=algorithm.version,
            device_serial_number=algorithm.weights_sha256[:16],
            content_label="ANOMALY",
            content_description=_content(algorithm),
            series_description=_DESCRIPTION,
            omit_empty_frames=bool(mask.any()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{files[0]}: no SEG can refer to this series ({reason}); use the NIfTI mask") from error
    with written_whole(path) as part:
        segmentation.save_as(part)


def _segment(algorithm: Algorithm) -> Any:
    """Describe the one segment and what made it."""
    hd, codes = require("highdicom"), require("pydicom.sr.codedict").codes
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Anomaly",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=algorithm.name,
            family=codes.cid7162.ArtificialIntelligence,
            version=algorithm.version,
            source=algorithm.source,
            parameters={**algorithm.parameters, "weights_sha256": algorithm.weights_sha256},
        ),
        anatomic_regions=[codes.SCT.Brain],
        tracking_id="Anomaly",
        tracking_uid=hd.UID(),
    )


def _content(algorithm: Algorithm) -> str:
    """Return what the mask holds, with as many parameters as a long string (LO) takes."""
    text = "Anomaly"
    for name, value in algorithm.parameters.items():
        longer = f"{text}, {name} {value}"
        text = longer if len(longer) <= _LONG_STRING else text
    return text
