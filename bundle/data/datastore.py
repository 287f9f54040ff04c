"""Entries as the data store of a labelling server gives them: images with masks in the place of image labels."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from bundle.conventions import HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, SUBJECT
from bundle.data.checks import check_mask
from bundle.data.records import Entry

SERVER_VARIABLE = "MONAI_LABEL_APP_DIR"
"""Environment variable that MONAI Label sets for itself and for the trainings that it starts."""


def image_labels(entries: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Return entries whose ``label`` is 0 or 1; a path there is that of a mask, and an empty mask means healthy.

    Args:
        entries: entries of a datalist, which stay as they are, or of MONAI Label: ``image`` and ``label``, two paths.

    Raises:
        FileNotFoundError: When a mask does not exist.
        ValueError: When a mask does not fit its image, see :py:func:`bundle.data.check_mask`.
    """
    return [_image_label(entry) for entry in entries]


def _image_label(entry: Mapping[str, Any]) -> Entry:
    path = entry[LABEL]
    if not isinstance(path, (str, Path)):
        return dict(entry)
    check_mask(path, entry[IMAGE])
    mask: Any = nib.load(path)
    marked = bool(np.any(np.asanyarray(mask.dataobj) > 0))
    subject = Path(entry[IMAGE]).name.removesuffix(".gz").removesuffix(".nii")
    return {
        SUBJECT: subject,
        **entry,
        LABEL: PATHOLOGICAL if marked else HEALTHY,
        **({MASK: str(path)} if marked else {}),
    }


class ReadImageLabeld(MapTransform):
    """Apply :py:func:`image_labels` to one entry.

    Args:
        keys: key of the label.
    """

    def __init__(self, keys: KeysCollection = LABEL) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with an image label."""
        entry: dict[Hashable, Any] = {}
        entry.update(_image_label({str(key): value for key, value in data.items()}))
        return entry


def training_folder(root: str | os.PathLike[str]) -> str:
    """Return the folder of a training's results: ``runs/default``, or a new one where MONAI Label started it.

    MONAI Label has no way to name a folder, and a training in the folder of an earlier one would go on with that.

    Args:
        root: folder of the bundle.
    """
    server = SERVER_VARIABLE in os.environ
    name = f"monai_label_{datetime.now():%Y%m%d_%H%M%S}" if server else "default"
    return os.path.join(root, "runs", name)
