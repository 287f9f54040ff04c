from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.attributions import Attribution


class Ones(Attribution):
    def attribute(self, network, image):
        return torch.ones_like(image, requires_grad=True)


class Pooled(Attribution):
    def attribute(self, network, image):
        return image.mean(dim=-1)


def test_the_map_carries_no_graph():
    assert not Ones()(nn.Identity(), torch.zeros(1, 1, 4, 4, requires_grad=True)).requires_grad


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"got \(4, 4\)"):
        Ones()(nn.Identity(), torch.zeros(4, 4))
    with pytest.raises(ValueError, match=r"Pooled must return .*\(1, 1, 4, 4\), got \(1, 1, 4\)"):
        Pooled()(nn.Identity(), torch.zeros(1, 1, 4, 4))


def test_the_contract_is_abstract():
    with pytest.raises(TypeError, match="attribute"):
        Attribution()
