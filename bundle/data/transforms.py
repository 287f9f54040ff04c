"""Load FLAIR volumes and lay their masks on them, with messages that name the file."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import LoadImaged, MapTransform

from bundle.conventions import HEALTHY, IMAGE, LABEL
from bundle.data.checks import check_affine, check_image_array, check_volume, drop_trailing, spatial_shape


class LoadFlaird(LoadImaged):
    """Load NIfTI files channel first in float32 and apply the checks of :py:func:`bundle.data.check_volume`.

    Args:
        keys: keys of the image paths.
        spatial_dims: number of spatial axes, 3 for volumes and 2 for slices.
        allow_missing_keys: whether an entry may lack a key.

    Shape:
        - output: ``(1, *spatial)``; trailing axes of length 1 in the file are dropped.

    Raises:
        FileNotFoundError: When a file does not exist.
        ValueError: When a file cannot be read, is not one single-channel image, or has unusable voxels.
    """

    def __init__(self, keys: KeysCollection, spatial_dims: int = 3, allow_missing_keys: bool = False) -> None:
        super().__init__(
            keys,
            reader="NibabelReader",
            dtype=np.float32,
            image_only=True,
            ensure_channel_first=True,
            allow_missing_keys=allow_missing_keys,
            squeeze_non_spatial_dims=True,
        )
        self.spatial_dims = spatial_dims

    def __call__(self, data: Mapping[Hashable, Any], reader: Any = None) -> dict[Hashable, Any]:
        """Return the entry with its images loaded."""
        paths = {key: data[key] for key in self.key_iterator(dict(data))}
        try:
            loaded: dict[Hashable, Any] = super().__call__(data, reader)
        except Exception:
            for path in paths.values():  # MONAI's error does not say what is wrong with which file; this one does
                check_volume(path, self.spatial_dims)
            raise
        for key, path in paths.items():
            image = loaded[key]
            channels = () if len(image) == 1 else (len(image),)
            spatial = spatial_shape((*image.shape[1:], *channels), self.spatial_dims, path)
            check_affine(np.asarray(image.affine), path)
            check_image_array(image.numpy(), path)
            loaded[key] = image.reshape((1, *spatial))
        return loaded


class MatchMaskGridd(MapTransform):
    """Lay a mask on its image by array index and make it binary.

    The mask takes the image's affine, because some public masks have the right voxels under a wrong header.

    Args:
        keys: keys of masks that are loaded channel first.
        ref_key: key of the image, loaded and not yet moved.
        allow_missing_keys: whether an entry may lack a mask.

    Shape:
        - mask: ``(1, *spatial)``, the image's shape up to trailing axes of length 1.
        - output: ``(1, *spatial)``, float32; 1 where the mask was above 0, else 0.

    Raises:
        ValueError: When the shapes of mask and image differ.
    """

    def __init__(self, keys: KeysCollection, ref_key: str = IMAGE, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.ref_key = ref_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with its masks matched."""
        d = dict(data)
        image = d[self.ref_key]
        for key in self.key_iterator(d):
            mask = d[key]
            if drop_trailing(mask.shape, image.dim()) != tuple(image.shape):
                raise ValueError(
                    f"{_filename(mask)}: a mask must have its image's shape {tuple(image.shape)} "
                    f"({_filename(image)}), got {tuple(mask.shape)}; resample the mask to the image's grid"
                )
            d[key] = _on_grid_of(image, (_plain(mask) > 0).float().reshape(image.shape))
            if isinstance(mask, MetaTensor) and isinstance(image, MetaTensor):
                d[key].meta["filename_or_obj"] = _filename(mask)
        return d


class FillMissingMaskd(MapTransform):
    """Give entries without a mask one, so that entries with and without masks share a batch.

    A healthy image gets zeros; a pathological one, or one whose label is not known, gets NaN: not annotated. Use it
    after the last resampling, because interpolation spreads NaN.

    Args:
        keys: keys of masks.
        ref_key: key of the image.
        label_key: key of the image's label.

    Shape:
        - output: ``(1, *spatial)`` for an image of shape ``(C, *spatial)``.
    """

    def __init__(self, keys: KeysCollection, ref_key: str = IMAGE, label_key: str = LABEL) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.ref_key = ref_key
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with a mask under every key."""
        d = dict(data)
        image = d[self.ref_key]
        healthy = self.label_key in d and int(d[self.label_key]) == HEALTHY
        for key in self.keys:
            if key not in d:
                d[key] = _on_grid_of(image, torch.full_like(_plain(image)[:1], 0.0 if healthy else torch.nan))
        return d


def _plain(image: torch.Tensor) -> torch.Tensor:
    """Return a tensor without metadata."""
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def _on_grid_of(image: torch.Tensor, array: torch.Tensor) -> Any:
    """Return ``array`` with the affine and the transform record of ``image``."""
    return MetaTensor(array).copy_meta_from(image) if isinstance(image, MetaTensor) else array


def _filename(image: Any) -> str:
    """Return the file that an image was loaded from."""
    return str(image.meta.get("filename_or_obj", "array")) if isinstance(image, MetaTensor) else "array"
