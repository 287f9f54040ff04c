from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.attributions.common import check_count, image_logit, map_in_batches
from bundle.conventions import join_prediction


class Quadratic(nn.Module):
    """F(x) = sum of x², with its prediction tensor and no classifier inside."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return join_prediction(2 * x, x.flatten(1).square().sum(1, keepdim=True))


@pytest.mark.parametrize("method", ["decoder", "autograd"])
def test_the_logit_is_the_prediction_s_and_differentiable(patchgan, draw_images, method):
    network, image = patchgan(2, method), draw_images(2, 1, 40, 48).requires_grad_(True)
    logit = image_logit(network, image)
    pred = network(image).detach()
    torch.testing.assert_close(logit.detach(), pred[:, 1:, 0, 0])
    torch.testing.assert_close(torch.autograd.grad(logit.sum(), image)[0], pred[:, :1])


def test_any_network_with_a_prediction_tensor():
    image = torch.randn(3, 1, 4, 5, requires_grad=True)
    logit = image_logit(Quadratic(), image)
    torch.testing.assert_close(logit, image.square().sum((1, 2, 3))[:, None])
    torch.testing.assert_close(torch.autograd.grad(logit.sum(), image)[0], 2 * image)


def test_batches_are_bounded_and_put_together():
    sizes = []

    def add(a, b):
        sizes.append(len(a))
        return a + b

    a, b = torch.randn(7, 2), torch.randn(7, 2)
    torch.testing.assert_close(map_in_batches(add, a, b, max_batch_size=3), a + b)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("value", [0, -1, 2.0])
def test_counts_are_checked(value):
    with pytest.raises(ValueError, match=f"n_steps must be .* got {value}"):
        check_count("n_steps", value)
