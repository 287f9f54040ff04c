from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd
from scipy import ndimage

from bundle.data.grid import BRAIN_CENTRE_MM, MODEL_ORIGIN_MM, MODEL_SHAPE, FitToGridd, smoothing_sigma

MNI = np.array([[2.0, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
MNI_1MM_LAS = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
RADII_MM = (70.0, 88.0, 75.0)


def _ellipsoid(shape, affine, centre_mm, radii_mm):
    """1 inside an ellipsoid along the array axes, in the world of `affine`."""
    centre = nib.affines.apply_affine(np.linalg.inv(affine), centre_mm)
    radii_mm = np.asarray(radii_mm)[nib.orientations.io_orientation(affine)[:, 0].astype(int)]
    scale = nib.affines.voxel_sizes(affine) / radii_mm
    x, y, z = (((np.arange(size) - centre[axis]) * scale[axis]) ** 2 for axis, size in enumerate(shape))
    return (x[:, None, None] + y[:, None] + z <= 1).astype(np.float32)


def _head(shape, affine, centre_mm=BRAIN_CENTRE_MM):
    """Brain of intensity 100 as a MetaTensor."""
    array = 100 * _ellipsoid(shape, affine, centre_mm, RADII_MM)
    return MetaTensor(torch.as_tensor(array)[None], affine=torch.as_tensor(affine))


def _rotated(spacing_mm, degrees, origin_mm):
    angle = np.radians(degrees)
    rotation = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([-1.0, 1, 1]) @ np.diag(spacing_mm)
    affine[:3, 3] = origin_mm
    return affine


def test_model_grid_passes_unchanged():
    image = MetaTensor(torch.randn(1, *MODEL_SHAPE), affine=torch.as_tensor(MNI))
    fit = Compose([FitToGridd("image")])
    fitted = fit({"image": image})
    assert torch.equal(fitted["image"].as_tensor(), image.as_tensor())
    np.testing.assert_array_equal(fitted["image"].affine, MNI)
    fitted["pred"] = MetaTensor(torch.randn(2, *MODEL_SHAPE))
    back = Invertd("pred", transform=fit, orig_keys="image", nearest_interp=False)(dict(fitted))
    assert torch.equal(back["pred"].as_tensor(), fitted["pred"].as_tensor())


def test_mirrored_storage_order_is_a_flip():
    image = MetaTensor(torch.rand(1, *MODEL_SHAPE) + 0.5, affine=torch.as_tensor(MNI @ np.diag([-1.0, 1, 1, 1])))
    image.affine[0, 3] = 90
    fitted = FitToGridd("image")({"image": image})["image"]
    torch.testing.assert_close(fitted.as_tensor(), image.as_tensor().flip(1))


def test_registered_volume_keeps_its_place():
    off_centre = np.array(BRAIN_CENTRE_MM) + (3, -4, 6)
    fitted = FitToGridd("image")({"image": _head((182, 218, 182), MNI_1MM_LAS, off_centre)})["image"]
    expected = _head(MODEL_SHAPE, MNI, off_centre)
    np.testing.assert_array_equal(fitted.affine, MNI)
    assert _dice(fitted.numpy() > 0, expected.numpy() > 0) > 0.99


GRIDS = {
    "lps_1mm": ((200, 210, 155), np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])),
    "thick_oblique": ((200, 220, 24), _rotated((0.9, 0.9, 6.5), 15, (80, -150, 40))),
    "permuted": ((90, 80, 100), np.array([[0.0, 0, -2, 7], [2, 0, 0, 300], [0, 2.5, 0, -9], [0, 0, 0, 1]])),
}


@pytest.mark.parametrize("name", GRIDS)
def test_other_grids_are_centred_and_come_back(name):
    shape, affine = GRIDS[name]
    centre_mm = nib.affines.apply_affine(affine, (np.array(shape) - 1) / 2)
    image = _head(shape, affine, centre_mm)
    lesion_mm = centre_mm + (21.0, -30.0, 11.0)  # off centre on every axis: a flip cannot hide
    lesion = _ellipsoid(shape, affine, lesion_mm, (13, 13, 13))
    image[0] += torch.as_tensor(100 * lesion)
    fit = Compose([FitToGridd(["image", "mask"], mode=["bilinear", "nearest"])])
    mask = MetaTensor(torch.as_tensor(lesion)[None]).copy_meta_from(image)
    fitted = fit({"image": image, "mask": mask})
    assert fitted["image"].shape == (1, *MODEL_SHAPE)

    brain = ndimage.find_objects((fitted["image"].numpy()[0] > 0).astype(int))[0]
    found_mm = [(part.start + part.stop - 1) + first for part, first in zip(brain, MODEL_ORIGIN_MM)]
    # within half a source slice plus a model voxel
    np.testing.assert_allclose(found_mm, BRAIN_CENTRE_MM, atol=max(nib.affines.voxel_sizes(affine)) / 2 + 1)
    # the affine still gives the volume's own world coordinates
    world_mm = nib.affines.apply_affine(
        fitted["mask"].affine.numpy(), ndimage.center_of_mass(fitted["mask"].numpy()[0])
    )
    np.testing.assert_allclose(world_mm, lesion_mm, atol=1.5)

    fitted["pred"] = (fitted["image"] > 150).float()
    back = Invertd("pred", transform=fit, orig_keys="image", nearest_interp=False)(dict(fitted))["pred"]
    assert tuple(back.shape[1:]) == shape
    np.testing.assert_allclose(back.affine, affine, atol=1e-4)
    assert _dice(back.numpy()[0] > 0.5, lesion > 0) > 0.8
    mask_back = Invertd("mask", transform=fit, nearest_interp=True)(dict(fitted))["mask"]
    assert _dice(mask_back.numpy()[0] > 0.5, lesion > 0) > 0.8 and set(mask_back.unique().tolist()) == {0.0, 1.0}


def test_edge_of_the_brain_is_neither_darkened_nor_widened():
    shape, affine = GRIDS["lps_1mm"]
    image = _head(shape, affine, nib.affines.apply_affine(affine, (100, 105, 77)))
    fitted = FitToGridd("image")({"image": image})["image"].as_tensor()
    torch.testing.assert_close(fitted[fitted != 0], torch.full_like(fitted[fitted != 0], 100.0))
    volume_ml = image.count_nonzero().item() * 1e-3
    assert fitted.count_nonzero().item() * 8e-3 == pytest.approx(volume_ml, rel=0.01)


def test_checkerboard_does_not_alias():
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = (-500, 0, 0)
    checkers = 100.0 + 50 * (-1.0) ** np.indices((60, 60, 60)).sum(0)
    image = MetaTensor(torch.as_tensor(checkers, dtype=torch.float32)[None], affine=torch.as_tensor(affine))
    fitted = FitToGridd("image")({"image": image})["image"].as_tensor()
    inside = fitted[:, 33:57, 42:66, 27:51]
    assert (inside - 100).abs().max() < 2.5  # of 50


def test_head_with_noise_in_the_air_is_centred_on_the_head():
    shape, affine = GRIDS["permuted"]
    head = _head(shape, affine, nib.affines.apply_affine(affine, (50, 38, 47)))
    centred = FitToGridd("image").target_affine(head)
    noisy = MetaTensor(head.as_tensor() + torch.rand(head.shape)).copy_meta_from(head)
    np.testing.assert_allclose(FitToGridd("image").target_affine(noisy), centred, atol=1e-6)


def test_small_grid():
    fit = FitToGridd("image", shape=(16, 19, 16), spacing_mm=12.0)
    fitted = fit({"image": _head(MODEL_SHAPE, MNI)})["image"]
    assert fitted.shape == (1, 16, 19, 16) and fitted.affine[0, 0] == 12


def test_smoothing_matches_point_spreads():
    sigma = np.array(smoothing_sigma((1.0, 2.0, 8.0), 2.0))
    fwhm_mm = np.array([1.0, 2.0, 8.0]) * sigma * 2.354820045
    np.testing.assert_allclose(1.0 + fwhm_mm[0] ** 2, 2.0**2)  # widths of Gaussians add in quadrature
    np.testing.assert_array_equal(sigma[1:], 0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="got 'cubic'"):
        FitToGridd("image", mode="cubic")
    with pytest.raises(ValueError, match=r"got Tensor \(1, 4, 4, 4\)"):
        FitToGridd("image")({"image": torch.zeros(1, 4, 4, 4)})
    with pytest.raises(ValueError, match=r"got MetaTensor \(1, 4, 4\)"):
        FitToGridd("image")({"image": MetaTensor(torch.zeros(1, 4, 4))})


def _dice(first, second):
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))
