from __future__ import annotations

import pytest
import torch
from monai.networks.layers import GaussianFilter
from monai.networks.layers.convutils import gaussian_1d

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet, MapSmoothing, PatchGANClassifier


@pytest.mark.parametrize("size", [(7, 9), (7, 6, 5)], ids=["2d", "3d"])
@pytest.mark.parametrize("sigma", [0.5, 1.2])
def test_equals_the_filter_of_monai(size, sigma):
    maps = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    window = gaussian_1d(torch.tensor(sigma), truncated=2.0)
    expected = GaussianFilter(len(size), sigma, truncated=2.0)(maps) / window.sum() ** len(
        size
    )  # sums to 1 only nearly
    torch.testing.assert_close(MapSmoothing(sigma)(maps), expected, rtol=1e-6, atol=1e-7)


def test_sums_stay_inside_the_border():
    maps = torch.zeros(1, 1, 9, 9, 9)
    maps[0, 0, 4, 4, 4] = 2.0
    smooth = MapSmoothing(0.5)(maps)
    assert float(smooth.sum()) == pytest.approx(2.0, rel=1e-6)
    assert 0 < float(smooth[0, 0, 4, 4, 5]) < float(smooth[0, 0, 4, 4, 4]) < 2.0


def test_it_is_not_kept_with_the_weights():
    classifier = PatchGANClassifier(2, 1, (4, 4), (2, 2, 1))
    smooth, plain = AttributionNet(classifier, smoothing=MapSmoothing(0.5)), AttributionNet(classifier)
    assert smooth.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (found, logit), (attribution, same) = (split_prediction(net.eval()(x)) for net in (smooth, plain))
        torch.testing.assert_close(found, MapSmoothing(0.5)(attribution))
        torch.testing.assert_close(logit, same, rtol=0, atol=0)
        torch.testing.assert_close(torch.jit.script(smooth)(x)[:, :1], found)


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(ValueError, match=f"positive, got {sigma}"):
        MapSmoothing(sigma)
