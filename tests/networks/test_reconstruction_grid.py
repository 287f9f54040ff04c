from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bundle.networks.reconstruction_grid import (
    brain_mask,
    erode,
    fit,
    restore,
    shape_within,
    to_slices,
    to_volumes,
    unit_intensity,
)


def test_holes_belong_to_the_brain():
    image = torch.zeros(2, 1, 7, 7)
    image[:, :, 1:6, 1:6] = 1.0
    image[1, 0, 3, 3:5] = 0.0  # voxels at the median
    assert brain_mask(image).sum((1, 2, 3)).tolist() == [25, 25]
    image[1, 0, 3, 3:] = 0.0  # open to the outside
    assert brain_mask(image)[1].sum() == 22


def test_unit_intensity_by_hand():
    image = torch.tensor([[[[-9.0, -8.0, 0.0, 4.0, 8.0, 20.0, 0.0]]]])
    brain = torch.tensor([[[[True] * 6 + [False]]]])
    expected = torch.tensor([0.0, 0.0, 0.5, 0.75, 1.0, 1.0, 0.0])
    torch.testing.assert_close(unit_intensity(image, brain, (-8.0, 8.0)).flatten(), expected)


@pytest.mark.parametrize("spatial", [(17, 14), (9, 11, 10)], ids=["2d", "3d"])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_erosion_is_that_of_scipy(spatial, size):
    mask = torch.rand(3, 1, *spatial, generator=torch.Generator().manual_seed(0)) > 0.03
    structure = np.ones([size] * len(spatial))
    expected = [ndimage.binary_erosion(one[0].numpy(), structure, border_value=1) for one in mask]
    assert np.array_equal(erode(mask, size)[:, 0].numpy(), np.stack(expected))


@pytest.mark.parametrize("spatial", [(17, 32), (20, 20, 9)], ids=["2d", "3d"])
def test_smaller_images_are_padded_and_restored(spatial):
    image = torch.rand(2, 1, *spatial)
    fitted = fit(image, [32] * len(spatial))
    assert fitted.shape[2:] == (32,) * len(spatial)
    torch.testing.assert_close(fitted.sum(), image.sum())
    assert torch.equal(restore(fitted, spatial), image)


def test_larger_images_are_shrunk_as_a_whole():
    assert shape_within((64, 96), (32, 32)) == [21, 32]
    image = torch.full((1, 1, 64, 32), 3.0)
    fitted = fit(image, [32, 32])
    assert fitted[0, 0, :, 8:24].eq(3.0).all() and fitted[0, 0, :, :8].eq(0.0).all()
    torch.testing.assert_close(restore(fitted, (64, 32)), image)


def test_slices_and_volumes():
    volumes = torch.rand(2, 1, 4, 5, 3)
    slices = to_slices(volumes)
    assert torch.equal(slices[4], volumes[1, ..., 1])
    assert torch.equal(to_volumes(slices, 2), volumes)
