from __future__ import annotations

import pytest
import torch

from bundle.networks.cubes import join_cubes, split_cubes


def test_voxels_of_a_cube_stand_together():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    cubes = split_cubes(image, 2)
    assert cubes.shape == (1, 1, 4, 2, 2)
    assert cubes[0, 0, :, 0, 1].tolist() == [2.0, 3.0, 6.0, 7.0]
    assert cubes[0, 0, :, 1, 0].tolist() == [8.0, 9.0, 0.0, 0.0]  # beyond the border


@pytest.mark.parametrize("size", [(5, 6), (4, 5, 7)], ids=["2d", "3d"])
@pytest.mark.parametrize("edge", [1, 2, 3])
def test_joining_undoes_splitting(size, edge):
    image = torch.randn(2, 3, *size)
    joined = join_cubes(split_cubes(image, edge), edge)
    assert all(extent % edge == 0 for extent in joined.shape[2:])
    inside = joined[(slice(None), slice(None), *(slice(extent) for extent in size))]
    torch.testing.assert_close(inside, image, rtol=0, atol=0)
    assert joined.sum() == pytest.approx(float(image.sum()), abs=1e-4)  # the rest is 0
