from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from bundle.anomaly import EqualiseIntensityd
from bundle.anomaly.equalised import drop_small, equalised_levels
from bundle.conventions import EQUALISED, INTENSITY


def test_levels_are_ranks_of_the_brain():
    values = np.random.default_rng(0).permutation(np.linspace(-3.0, 5.0, 256)).astype(np.float32)
    image = np.concatenate([np.zeros(40, np.float32), values]).reshape(8, 37)
    levels = equalised_levels(image).ravel()
    assert (levels[:40] == 0).all()
    order = levels[40:][np.argsort(values)].astype(int)
    assert (np.diff(order) >= 0).all()
    np.testing.assert_allclose(order, np.arange(1, 257) / 256 * 255, atol=1.5)  # as many voxels in every level


def test_an_image_without_brain_has_no_level():
    assert not equalised_levels(np.zeros((4, 5), np.float32)).any()


@pytest.mark.parametrize("shape", [(24, 21), (9, 10, 11)], ids=["2d", "3d"])
@pytest.mark.parametrize("smallest", [1, 3, 6])
def test_thresholded_it_lacks_exactly_the_small_components(shape, smallest):
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(shape), 0.6)
    levels = np.digitize(smooth, np.quantile(smooth, np.linspace(0, 1, 12)[1:-1])).astype(np.uint8)
    opened = drop_small(levels, smallest)
    for level in range(1, 11):
        labels, count = ndimage.label(levels >= level, np.ones([3] * len(shape)))
        sizes = ndimage.sum_labels(labels > 0, labels, range(1, count + 1))
        expected = np.isin(labels, 1 + np.flatnonzero(sizes >= smallest))
        np.testing.assert_array_equal(opened >= level, expected)


@pytest.mark.parametrize(("edge_mm", "survives"), [(1.0, False), (2.0, False), (3.0, True)])
def test_volume_decides_and_not_the_number_of_voxels(edge_mm, survives):
    """Two voxels of 1, 8 and 27 mm³ where components of up to 20 mm³ are dropped."""
    image = torch.linspace(0.1, 1.0, 1000).reshape(1, 10, 10, 10)
    image[0, 0, 0, 4:6] = 9.0
    item = {INTENSITY: MetaTensor(image, affine=torch.diag(torch.tensor([-edge_mm, edge_mm, edge_mm, 1.0])))}
    score = EqualiseIntensityd()(item)[EQUALISED]
    assert score.shape == image.shape and score.dtype == torch.float32
    assert bool((score[0, 0, 0, 4] > 0.99).item()) == survives
    assert EQUALISED not in item


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"one image, got \['a', 'b'\]"):
        EqualiseIntensityd(keys=["a", "b"])
    with pytest.raises(ValueError, match=r"dropped_mm3 must be at least 0, got -2\.0"):
        EqualiseIntensityd(dropped_mm3=-2.0)
