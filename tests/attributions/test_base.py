from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from bundle.attributions import Attribution


class Ones(Attribution):
    def attribute(self, network, image):
        return torch.ones_like(image, requires_grad=True)


class Pooled(Attribution):
    def attribute(self, network, image):
        return image.mean(dim=-1)


class Doubled(Attribution):
    """Return twice the image, or what the prediction says."""

    def from_prediction(self, pred):
        return pred[:, :1] if pred.shape[1] == 2 else None

    def attribute(self, network, image):
        assert not isinstance(image, MetaTensor)
        return 2 * image


def test_the_map_carries_no_graph():
    assert not Ones()(nn.Identity(), torch.zeros(1, 1, 4, 4, requires_grad=True)).requires_grad


def test_the_map_carries_the_metadata_of_the_image():
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.randn(1, 1, 4, 4, 4), affine=affine)
    result = Doubled()(nn.Identity(), image)
    assert isinstance(result, MetaTensor)
    torch.testing.assert_close(result.affine, affine)
    torch.testing.assert_close(result.as_tensor(), 2 * image.as_tensor())


def test_a_prediction_that_holds_the_map_is_read():
    image, pred = torch.randn(1, 1, 4, 4), torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(Doubled()(nn.Identity(), image, pred), pred[:, :1])
    torch.testing.assert_close(Doubled()(nn.Identity(), image, pred[:, :1]), 2 * image)
    torch.testing.assert_close(Ones()(nn.Identity(), image, pred), torch.ones(1, 1, 4, 4))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"got \(4, 4\)"):
        Ones()(nn.Identity(), torch.zeros(4, 4))
    with pytest.raises(ValueError, match=r"Pooled must return .*\(1, 1, 4, 4\), got \(1, 1, 4\)"):
        Pooled()(nn.Identity(), torch.zeros(1, 1, 4, 4))


def test_the_contract_is_abstract():
    with pytest.raises(TypeError, match="attribute"):
        Attribution()
