from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import RemoveSmallLesionsd

AFFINE = np.array([[0, 2.0, 0, -5], [-3.0, 0, 0, 7], [0, 0, 4.0, 1], [0, 0, 0, 1]])  # voxels of 24 mm3


@pytest.fixture
def mask():
    """Components of 1, 2 (that share a corner) and 8 voxels."""
    array = torch.zeros(1, 9, 9, 9, dtype=torch.uint8)
    array[0, 0, 0, 0] = 1
    array[0, 0, 4, 4] = array[0, 1, 5, 5] = 1
    array[0, 4:6, 4:6, 7:9] = 1
    return MetaTensor(array, affine=AFFINE)


@pytest.mark.parametrize(
    ("min_ml", "voxels"), [(0.0, 11), (0.024, 11), (0.025, 10), (0.048, 10), (0.049, 8), (0.192, 8), (0.193, 0)]
)
def test_components_by_volume(mask, min_ml, voxels):
    result = RemoveSmallLesionsd("pred", min_ml)({"pred": mask})["pred"]
    assert int(result.sum()) == voxels and result.dtype == torch.uint8
    np.testing.assert_array_equal(result.affine, AFFINE)
    assert not torch.as_tensor(result)[torch.as_tensor(mask) == 0].any(), "nothing is added"
    assert int(mask.sum()) == 11, "the given mask stays"


def test_a_missing_mask_may_be_allowed(mask):
    assert RemoveSmallLesionsd("pred", 1.0, allow_missing_keys=True)({"other": mask}) == {"other": mask}


@pytest.mark.parametrize("min_ml", [-0.5, math.nan, math.inf, "1", None])
def test_wrong_volumes(min_ml):
    with pytest.raises(ValueError, match=f"min_lesion_ml must be a volume .* got {min_ml!r}"):
        RemoveSmallLesionsd("pred", min_ml)


def test_a_mask_without_affine():
    with pytest.raises(ValueError, match="MetaTensor with an affine, got Tensor for 'pred'"):
        RemoveSmallLesionsd("pred", 1.0)({"pred": torch.ones(1, 2, 2, 2)})
