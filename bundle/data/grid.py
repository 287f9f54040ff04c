"""The grid that the model works on, and the way there from any volume's own grid and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, SpatialResample
from monai.utils import ensure_tuple_rep
from numpy.typing import NDArray
from scipy import ndimage

from bundle.conventions import IMAGE

# The MNI152 2 mm grid, RAS+: number of voxels, their edge, and the position of the centre of voxel (0, 0, 0).
MODEL_SHAPE = (91, 109, 91)
MODEL_SPACING_MM = 2.0
MODEL_ORIGIN_MM = (-90.0, -126.0, -72.0)
# Centre of the bounding box of the MNI152 brain mask on that grid.
BRAIN_CENTRE_MM = (0.0, -17.0, 5.0)

_AFFINE_TOLERANCE_MM = 1.0e-3
_REGISTERED_TOLERANCE_MM = 5.0  # distance of two fields of view's centres; published MNI grids differ by up to 3 mm
_BRAIN_TOLERANCE_MM = 20.0  # bounding box centres of brains registered to MNI vary by about 10 mm
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))

Affine = NDArray[np.float64]


class FitToGridd(MapTransform, InvertibleTransform):
    """Resample volumes of any grid to the model's grid in one step that ``Invertd`` undoes.

    - A volume that is on the model's grid already is returned unchanged.
    - A volume registered to MNI space on another grid (axes along the world's, field of view and brain where MNI's
      are) is resampled by its header's coordinates.
    - Any other volume keeps the direction of its array axes, ordered and flipped to the nearest RAS+ orientation,
      and is shifted so that the centre of the bounding box of its brain (non-zero voxels) lands on the centre of
      the MNI brain. Oblique slices are planned along the brain's axes, so the array axes are nearer to MNI's than
      the scanner's are.

    Where voxels get larger, images are smoothed first, so that fine structures do not alias. Smoothing and
    interpolation are divided by the same operation on the image's support (non-zero voxels), so that the edge of
    the brain is neither darkened nor widened; voxels less than half inside the support become zero. Masks are taken
    from the nearest voxel. The affine of the result is the volume's own, so world coordinates stay right.

    Args:
        keys: keys of channel-first volumes with one grid.
        mode: ``"bilinear"`` for images and ``"nearest"`` for masks, one for each key or one for all.
        ref_key: key of the image that the brain is found in.
        shape: number of voxels of the model's grid.
        spacing_mm: edge of its voxels.
        origin_mm: MNI position of the centre of its first voxel.
        allow_missing_keys: whether an entry may lack a key.

    Shape:
        - input: ``(C, X, Y, Z)``, `monai.data.MetaTensor` with an affine.
        - output: ``(C, *shape)``.

    Raises:
        ValueError: When ``mode`` is unknown, or a volume does not have three spatial axes or an affine.

    Source:
        Smoothing width: Cardoso et al., MICCAI 2015, scale factor point spread function matching; the Gaussian that
        turns a point spread of one voxel's width (FWHM) into one of the new voxel's width.
    """

    def __init__(
        self,
        keys: KeysCollection,
        mode: Sequence[str] | str = "bilinear",
        ref_key: str = IMAGE,
        shape: Sequence[int] = MODEL_SHAPE,
        spacing_mm: float = MODEL_SPACING_MM,
        origin_mm: Sequence[float] = MODEL_ORIGIN_MM,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        if not set(self.mode) <= {"bilinear", "nearest"}:
            raise ValueError(f"mode must be 'bilinear' for images or 'nearest' for masks, got {mode!r}.")
        self.ref_key = ref_key
        self.shape = tuple(int(size) for size in shape)
        self.spacing_mm = float(spacing_mm)
        self.affine = np.diag([self.spacing_mm] * 3 + [1.0])
        self.affine[:3, 3] = origin_mm
        self.resample = SpatialResample(padding_mode="zeros")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with its volumes on the model's grid."""
        d = dict(data)
        target = self.target_affine(d[self.ref_key])
        for key, mode in self.key_iterator(d, self.mode):
            d[key] = self._fit(d[key], mode, target)
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entry with its volumes back on the grid that they came from."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.resample.inverse(d[key])
        return d

    def target_affine(self, image: torch.Tensor) -> Affine:
        """Return the affine of the model's grid in a volume's own world coordinates.

        Args:
            image: volume with its affine.

        Shape:
            - image: ``(C, X, Y, Z)``.
            - output: ``(4, 4)``.
        """
        if not isinstance(image, MetaTensor) or image.dim() != 4:
            raise ValueError(
                f"an image must be a MetaTensor of shape (C, X, Y, Z), got {type(image).__name__} "
                f"{tuple(image.shape)}. Load it with LoadFlaird."
            )
        affine = image.affine.cpu().numpy().astype(np.float64)
        size = np.array(image.shape[1:])
        direction = _nearest_ras_direction(affine)
        aligned = np.allclose(direction, np.eye(3), atol=_AFFINE_TOLERANCE_MM)
        if aligned and _centre_distance(affine, size, self.affine, np.array(self.shape)) < _REGISTERED_TOLERANCE_MM:
            if tuple(size) == self.shape and np.allclose(affine, self.affine, atol=_AFFINE_TOLERANCE_MM):
                return self.affine
            if np.linalg.norm(_brain_centre(image, affine) - BRAIN_CENTRE_MM) < _BRAIN_TOLERANCE_MM:
                return self.affine
        offset = np.array(BRAIN_CENTRE_MM) - self.affine[:3, 3]  # from the grid's first voxel to the brain's centre
        target = np.eye(4)
        target[:3, :3] = direction * self.spacing_mm
        target[:3, 3] = _brain_centre(image, affine) - direction @ offset
        return target

    def _fit(self, image: MetaTensor, mode: str, target: Affine) -> torch.Tensor:
        """Resample one volume to the target affine."""
        affine = torch.as_tensor(target)
        source = image.affine.cpu().numpy().astype(np.float64)
        unchanged = tuple(image.shape[1:]) == self.shape and np.allclose(source, target, atol=_AFFINE_TOLERANCE_MM)
        if unchanged or mode == "nearest":
            return self.resample(image, dst_affine=affine, spatial_size=self.shape, mode=mode)
        sigma = smoothing_sigma(nib.affines.voxel_sizes(source), self.spacing_mm)
        plain = image.as_tensor()
        both = torch.cat([plain, (plain != 0).to(plain.dtype)])
        smooth = ndimage.gaussian_filter(both.cpu().numpy(), sigma=(0.0, *sigma), mode="constant")
        stacked = MetaTensor(torch.as_tensor(smooth, device=image.device)).copy_meta_from(image)
        moved: Any = self.resample(stacked, dst_affine=affine, spatial_size=self.shape, mode=mode)
        value, support = moved.as_tensor().split(len(image))
        result = torch.where(support >= 0.5, value / support.clamp(min=0.5), torch.zeros_like(value))
        return MetaTensor(result).copy_meta_from(moved)


def smoothing_sigma(source_mm: Sequence[float] | NDArray[Any], target_mm: float) -> tuple[float, ...]:
    """Return the Gaussian widths that keep an image from aliasing on a coarser grid.

    Args:
        source_mm: voxel size along each axis.
        target_mm: edge of the coarser grid's voxels.

    Returns:
        Standard deviation along each axis, in source voxels; 0 where voxels do not get larger.
    """
    factor = target_mm / np.asarray(source_mm, dtype=np.float64)
    return tuple(float(sigma) for sigma in np.sqrt(np.clip(factor**2 - 1.0, 0.0, None)) / _FWHM_PER_SIGMA)


def _nearest_ras_direction(affine: Affine) -> Affine:
    """Return the unit vectors of the array axes as columns, ordered and flipped to the nearest RAS+ orientation."""
    canonical = affine @ nib.orientations.inv_ornt_aff(nib.orientations.io_orientation(affine), (2, 2, 2))
    left, _, right = np.linalg.svd(canonical[:3, :3] / nib.affines.voxel_sizes(canonical))
    return left @ right  # nearest orthogonal matrix: some headers have a little shear


def _centre_distance(affine: Affine, size: NDArray[Any], other: Affine, other_size: NDArray[Any]) -> float:
    """Return the distance between the centres of two fields of view."""
    first = nib.affines.apply_affine(affine, (size - 1) / 2)
    second = nib.affines.apply_affine(other, (other_size - 1) / 2)
    return float(np.linalg.norm(first - second))


def _brain_centre(image: torch.Tensor, affine: Affine) -> Affine:
    """Return the world position of the centre of the bounding box of an image's foreground.

    The foreground is what is not zero; where most voxels are not zero (no background was removed), what is brighter
    than the mean.
    """
    array = torch.as_tensor(image).cpu().numpy()
    foreground = np.any(array != 0, axis=0)
    if foreground.mean() > 0.5:
        foreground = np.any(array > array.mean(), axis=0)
    box = ndimage.find_objects(foreground.astype(np.uint8))[0]
    return nib.affines.apply_affine(affine, [(part.start + part.stop - 1) / 2 for part in box])
