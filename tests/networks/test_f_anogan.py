from __future__ import annotations

import pytest
import torch

from bundle.networks import FAnoGANNet
from bundle.networks.f_anogan import FEATURES, RECONSTRUCTED_FEATURES, Critic
from bundle.networks.reconstruction import RECONSTRUCTION, TARGET
from tests.networks.reconstruction_toy import toy_brains


@pytest.fixture
def network():
    return FAnoGANNet([64, 64], latent_size=6, width=4)


def test_parameters_of_the_published_critic():
    channels = [16, 32, 64, 128, 256, 512]  # two numbers each of the published normalisations, one of our biases
    assert sum(tensor.numel() for tensor in Critic().parameters()) == 2_796_257 - 2 * sum(channels) + sum(channels)


def test_black_and_white_images_do_not_pass_for_grey_ones():
    critic = Critic(width=8)
    black, grey, white = critic(torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 64, 64))
    assert (black + white - 2 * grey).abs() > 1e-4 * (white - black).abs() > 0  # a linear judgement would give 0


@pytest.mark.parametrize("size", [[64, 96], [64, 64, 64]], ids=["2d", "3d"])
def test_critic_gives_one_judgement_an_image(size):
    critic = Critic(len(size), width=4)
    images = torch.rand(2, 1, *size)
    assert critic(images).shape == (2, 1)
    torch.testing.assert_close(critic(images)[1:], critic(images[1:]))  # of each image alone


def test_generator_and_critic_stay_fixed_while_the_encoder_learns(network):
    network.train()
    assert network.model.encoder.training and not network.generator.training and not network.critic.training
    assert all(module.training for module in FAnoGANNet([64, 64], width=4, joint=True).train().modules())
    counted = [*network.encoder_parameters(), *network.generator.parameters(), *network.critic.parameters()]
    assert {id(tensor) for tensor in counted} == {id(tensor) for tensor in network.parameters()}
    assert len(counted) == len(list(network.parameters()))


def test_loss_is_given_what_the_critic_sees(network):
    output = network.train()(toy_brains(64, 2))
    torch.testing.assert_close(output[FEATURES], network.critic.features(output[TARGET]))
    torch.testing.assert_close(output[RECONSTRUCTED_FEATURES], network.critic.features(output[RECONSTRUCTION]))
    assert output[RECONSTRUCTION].min() >= 0 and output[RECONSTRUCTION].max() <= 1


def test_reconstruction_is_an_image_of_the_generator(network):
    images = toy_brains(64, 2)
    target, reconstruction = network.eval().reconstruct(images)
    code, _ = network.model.encode(target)
    torch.testing.assert_close(reconstruction, torch.sigmoid(network.generator(code)))
    assert network.generate(3, "cpu").shape == (3, 1, 64, 64)


def test_too_small_images_are_named():
    with pytest.raises(ValueError, match=r"at least 64, got \[32, 64\]"):
        FAnoGANNet([32, 64])
