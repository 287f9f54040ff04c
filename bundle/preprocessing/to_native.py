"""Transform that brings maps from MNI space back to the grid that a raw scan was made on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from bundle.conventions import ATTRIBUTION, INTENSITY, SUBJECT
from bundle.preprocessing import layout
from bundle.preprocessing.geometry import to_sitk
from bundle.preprocessing.native_grid import read_native_grid
from bundle.preprocessing.resampling import reference, resample_brain

Array = NDArray[np.float32]


class ToNatived(MapTransform):
    """Resample maps to the native grid linearly, and put the native image in the place of the preprocessed one.

    Maps are divided by the support of their interpolation, so that they keep their height at the edge of the brain.
    Thresholds come after this transform: a mask cut from the resampled map agreed better with experts' masks than a
    mask that was resampled itself (docs/dicom.md).

    Args:
        keys: maps on the grid of the preprocessed image.
        folder: folder of the preprocessed scans, see :py:class:`bundle.preprocessing.raw_scans.RawScans`.
        intensity_key: preprocessed image, 0 outside the brain. It becomes the native image, z-scored inside the brain
            and 0 outside, under the name of its file.
        allow_missing_keys: whether an item may lack a map.

    Shape:
        - input: ``(C, X, Y, Z)`` with an affine.
        - output: ``(C, *native)``; 0 outside the brain.

    Raises:
        ValueError: While running, when the subject was not preprocessed there, or no brain lies on its native grid.
    """

    def __init__(
        self,
        keys: KeysCollection = ATTRIBUTION,
        folder: str | Path = "",
        intensity_key: str = INTENSITY,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.folder = Path(folder)
        self.intensity_key = intensity_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with its maps on the native grid."""
        item = dict(data)
        name = str(item[SUBJECT])
        native = read_native_grid(self.folder, name)
        affine = torch.as_tensor(native.affine)

        preprocessed: MetaTensor = item[self.intensity_key]
        inside = (_array(preprocessed) != 0).any(axis=0).astype(np.float32)
        source_affine = preprocessed.affine.cpu().numpy().astype(np.float64)
        maps = {key: _array(item[key]) * inside for key in self.key_iterator(item)}
        sources = [to_sitk(channel, source_affine) for channels in maps.values() for channel in channels]
        target = reference(native.shape, native.affine)
        resampled, brain = resample_brain(sources, to_sitk(inside, source_affine), target, native.transform)
        if not brain.any():
            raise ValueError(
                f"{native.scan}: no brain lies on the native grid; look at the picture {layout.picture_file(name)}"
            )
        moved = iter(resampled)
        for key, channels in maps.items():
            on_native_grid = np.stack([next(moved) for _ in channels])
            item[key] = MetaTensor(torch.as_tensor(on_native_grid), affine=affine)
        scan: Any = nib.load(native.scan)
        image = _z_score(np.asarray(scan.dataobj, dtype=np.float32).reshape(brain.shape), brain)
        meta = {"filename_or_obj": native.scan}
        item[self.intensity_key] = MetaTensor(torch.as_tensor(image[None]), affine=affine, meta=meta)
        return item


def _z_score(image: Array, brain: NDArray[np.bool_]) -> Array:
    """Return an image with mean 0 and deviation 1 inside the brain, 0 outside."""
    values = image[brain]
    result: Array = np.where(brain, (image - values.mean()) / max(float(values.std()), 1.0e-6), 0).astype(np.float32)
    return result


def _array(values: torch.Tensor) -> Array:
    """Return a tensor's values."""
    plain = values.as_tensor() if isinstance(values, MetaTensor) else values
    return np.asarray(plain.detach().cpu().numpy(), dtype=np.float32)
