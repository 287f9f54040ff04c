from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.conventions import split_prediction
from bundle.losses import AttentionSizeLoss
from bundle.networks import AttentionNet
from bundle.networks.attention_vae import ATTENTION, grad_cam, normalise_inside
from tests.networks.reconstruction_toy import overfit, toy_brains


def test_grad_cam_of_a_linear_network():
    """Of sum_k c_k sum_space A_k the gradient is c_k everywhere, so the map is sum_k c_k A_k."""
    activations = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    target = (activations.sum((2, 3)) * weights).sum()
    expected = (activations * weights[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(grad_cam(activations, target), expected)
    assert (grad_cam(activations, target) < 0).any()  # no rectifier


def test_grad_cam_takes_the_mean_of_the_gradient():
    activations = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    slopes = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    expected = sum(slopes[0, k].mean() * activations[0, k] for k in range(2))
    torch.testing.assert_close(grad_cam(activations, (slopes * activations).sum())[0, 0], expected)


def test_attention_of_the_network_is_that_of_its_first_stage():
    network = AttentionNet([32, 32], width=4).eval()
    image, _ = network.training_images(toy_brains(32, 2))
    activations = network.model.encoder.features(image).detach().requires_grad_()
    code = network.model.to_mean(network.model.encoder.further(activations).flatten(1))
    (gradient,) = torch.autograd.grad(code.sum(), activations)
    expected = torch.einsum("bk,bkyx->byx", gradient.mean((2, 3)), activations)
    attention, mean, _ = network.attend(image)
    torch.testing.assert_close(attention[:, 0], expected)
    torch.testing.assert_close(mean, code)
    assert not attention.requires_grad
    network.attention = "activation"
    torch.testing.assert_close(network.attend(image)[0], activations.mean(1, keepdim=True))


def test_normalisation_inside_by_hand():
    maps = torch.tensor([[[[9.0, -2.0, 0.0, 2.0]]], [[[9.0, 5.0, 5.0, 5.0]]]])
    inside = torch.tensor([[[[False, True, True, True]]]] * 2)
    expected = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.0] * 4])
    torch.testing.assert_close(normalise_inside(maps, inside)[:, 0, 0], expected)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
def test_maps_need_no_gradients_outside(mode):
    network, images = AttentionNet([32, 32], width=4).eval(), toy_brains()
    with mode():
        maps, score = split_prediction(network(images))
        volume_maps, _ = split_prediction(network(torch.stack([images, images], dim=-1)))
    assert maps.flatten(1).amin(1).tolist() == [0.0] * 8
    torch.testing.assert_close(maps.flatten(1).amax(1), torch.ones(8))
    torch.testing.assert_close(volume_maps[..., 1], maps)
    inside = maps[0][network._maps(images)[1][0]]  # the eroded brain
    torch.testing.assert_close(score[0, 0], inside.std(correction=0))


def test_constraint_reaches_the_encoder_through_second_derivatives():
    network = AttentionNet([32, 32], width=4).train()
    output = network(toy_brains())
    torch.sigmoid(output[ATTENTION]).mean().backward()
    assert network.model.to_mean.weight.grad.abs().sum() > 0  # only the gradient depends on it
    assert network.model.decoder.spread.weight.grad is None


def test_constraint_makes_the_attention_cover_the_image():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, loss = AttentionNet([32, 32], width=8), AttentionSizeLoss(kl_weight=0.1)
        loss(network.train()(toy_brains()))
        before = loss.parts["attention_size"]
        overfit(network, loss, toy_brains(), iterations=120)
        loss(network.train()(toy_brains()))
    assert before == pytest.approx(0.5, abs=0.05)
    assert loss.parts["attention_size"] > 0.75  # 0.8 is asked for


def test_overfits_eight_images():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AttentionNet([32, 32], width=16)
        before, after = overfit(network, AttentionSizeLoss(kl_weight=0.1), toy_brains(), iterations=120)
    assert after < before / 10


def test_unknown_attention():
    with pytest.raises(ValueError, match="one of gradcam, activation, got 'cam'"):
        AttentionNet([32, 32], attention="cam", width=4)


def test_parameters_are_those_of_the_published_network():
    network = AttentionNet([224, 224])
    assert sum(tensor.numel() for tensor in network.parameters()) == 14_547_649
    assert isinstance(network.model.to_log_variance, nn.Linear)
