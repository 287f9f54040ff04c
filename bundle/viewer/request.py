"""Transform that checks what a viewer asks for, and prepares its scan."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from bundle.anomaly import check_min_lesion, mask_threshold
from bundle.conventions import ATTRIBUTION, IMAGE, SUBJECT, TEST
from bundle.data import check_volume
from bundle.data.records import load_datalist
from bundle.preprocessing.brain_extraction import OFFLINE
from bundle.preprocessing.raw_scans import RawScans
from bundle.viewer.explanation import GRADIENT, check_method, chosen
from bundle.viewer.refusal import refusals
from bundle.viewer.response import SCANS, check_output, is_request

HOUNSFIELD_MIN = -500.0
"""An image of magnetic resonance has no voxel as low; air in a CT has -1000 Hounsfield units, lung -800."""

MASK_VALUES_MAX = 16
"""An image of no more distinct values than this is a label map."""


class PrepareRequestd(MapTransform):
    """Refuse a request that cannot be answered, with the reason, and preprocess its scan when it asks for that.

    The options stand in the item as the viewer sends them, under their names in ``displayable_configs``. Items of a
    plain run, which checks its input before it starts, pass.

    Args:
        keys: key of the image's path.
        threshold_file: thresholds in use.
        model_file: weights in use; a viewer may name others, which have no thresholds.
        calibration: rule of the threshold, see :py:func:`bundle.anomaly.load_thresholds`.
        score: score that is thresholded.
        brain_extraction: how the brain is extracted, see :py:class:`bundle.preprocessing.raw_scans.RawScans`.
        n4: whether to correct the bias field of scans that are preprocessed.
        spacing_mm: edge of the voxels of the model's grid.

    Raises:
        ValueError: While running outside a server, when something is wrong with the request.
        HTTPException: While running in one, see :py:func:`bundle.viewer.refusal.refusals`.
    """

    def __init__(
        self,
        keys: KeysCollection = IMAGE,
        *,
        threshold_file: str | os.PathLike[str],
        model_file: str | os.PathLike[str],
        calibration: str | None = None,
        score: str = ATTRIBUTION,
        brain_extraction: str = OFFLINE,
        n4: bool = False,
        spacing_mm: float = 2.0,
    ) -> None:
        super().__init__(keys)
        self.threshold_file, self.model_file, self.calibration = threshold_file, Path(model_file), calibration
        self.score = score
        self.brain_extraction, self.n4, self.spacing_mm = brain_extraction, n4, spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item, its image checked and perhaps preprocessed."""
        item = dict(data)
        if not is_request(item):
            return item
        with refusals():
            self._check_options(item)
            for key in self.key_iterator(item):
                check_scan(item[key])
                if item.get("preprocess", False):
                    item[SCANS] = self._prepared(item[key])
                    (entry,) = load_datalist(item[SCANS].datalist, TEST)
                    item |= {key: entry[IMAGE], SUBJECT: entry[SUBJECT]}
        return item

    def _check_options(self, item: Mapping[Hashable, Any]) -> None:
        weights = chosen(item.get("model_filename", self.model_file.name))
        if weights != self.model_file.name:
            raise ValueError(
                f"model_filename must be {self.model_file.name}, whose thresholds are known, got {weights!r}. "
                "Calibrate the other weights with evaluate.yaml and put both files in their place."
            )
        mask_threshold(self.threshold_file, self.model_file, self.calibration, self.score, item.get("threshold"))
        check_min_lesion(item.get("min_lesion_ml", 0.0))
        check_method(item.get("attribution_method", GRADIENT))
        check_output(item.get("output"))
        preprocess = item.get("preprocess", False)
        if not isinstance(preprocess, bool):
            raise ValueError(f"preprocess must be true or false, got {preprocess!r}. Correct it.")

    def _prepared(self, path: str) -> RequestScans:
        """Preprocess a scan into a folder that goes with the request."""
        scans = RequestScans(path, self.brain_extraction, self.n4, self.spacing_mm)
        scans.prepare()
        return scans


class RequestScans(RawScans):
    """One scan, preprocessed in a temporary folder that is deleted with this object.

    Args:
        path: volume of the request.
        brain_extraction: see :py:class:`bundle.preprocessing.raw_scans.RawScans`.
        n4: whether to correct the bias field.
        spacing_mm: edge of the voxels of the model's grid.
    """

    def __init__(self, path: str, brain_extraction: str, n4: bool, spacing_mm: float) -> None:
        self.temporary = tempfile.TemporaryDirectory(prefix="viewer-", ignore_cleanup_errors=True)
        super().__init__(path, self.temporary.name, brain_extraction=brain_extraction, n4=n4, spacing_mm=spacing_mm)


def check_scan(path: Any) -> None:
    """Check that a request names a FLAIR volume.

    The file says nothing of its contrast, so a T1 passes; CT, label maps, series and pictures do not.

    Args:
        path: file of the volume, empty where the server does not know the image.

    Raises:
        ValueError: When there is no such file, or it is another kind of image.
        FileNotFoundError: When it does not exist.
    """
    if not path:
        raise ValueError("the image must be one that the server knows, got an unknown id; GET /datastore/ lists them.")
    name = Path(path).name
    try:
        check_volume(path)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(str(error).replace(str(path), name)) from error  # the server's folders are its own business
    image: Any = nib.load(path)
    voxels = np.asanyarray(image.dataobj)
    if float(voxels.min()) < HOUNSFIELD_MIN:
        raise ValueError(
            f"{name}: the image must be a FLAIR of magnetic resonance, got values down to {float(voxels.min()):g} as "
            "of a CT; send the FLAIR."
        )
    if len(np.unique(voxels[:: max(voxels.shape[0] // 32, 1)])) <= MASK_VALUES_MAX:
        raise ValueError(f"{name}: the image must be a FLAIR, got a label map of few values; send the FLAIR.")
