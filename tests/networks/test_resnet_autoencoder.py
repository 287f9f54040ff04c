from __future__ import annotations

import pytest
import torch
from torch import nn

from bundle.networks.resnet_autoencoder import ResNetAutoencoder, ResNetDecoder, ResNetEncoder


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


@pytest.mark.parametrize(("variational", "count"), [(False, 13_744_801), (True, 14_547_649)], ids=["ae", "vae"])
def test_parameters_of_the_published_networks(variational, count):
    network = ResNetAutoencoder([224, 224], variational=variational)
    assert parameters(network) == count


def test_parameters_by_hand():
    # ResNet-18 has 11,689,512; without its head (512,000 + 1,000) and the normalisation of the stem (128), and with one
    # input channel instead of three (9,408 - 3,136).
    assert parameters(ResNetEncoder()) == 11_689_512 - 513_000 - 128 - 6_272

    def block(channels_in, channels_out):  # convolutions of 3 x 3 with bias, and two normalisations
        return 2 * (9 * channels_in + 1) * channels_out + (9 * channels_out + 1) * channels_out + 4 * channels_out

    blocks = sum(block(*pair) for pair in [(32, 256), (256, 128), (128, 64), (64, 32), (32, 16)])
    assert parameters(ResNetDecoder([224, 224])) == 33 * 32 * 49 + blocks + 145


@pytest.mark.parametrize("size", [[32, 64], [32, 32, 64]], ids=["2d", "3d"])
def test_shapes(size):
    network = ResNetAutoencoder(size, latent_size=5, width=4, variational=True)
    images = torch.rand(2, 1, *size)
    mean, log_variance = network.encode(images)
    assert mean.shape == log_variance.shape == (2, 5)
    assert network(images).shape == images.shape
    assert network.encoder.features(images).shape == (2, 4, *(length // 4 for length in size))
    assert network.encoder(images).shape == (2, 32, *(length // 32 for length in size))


def test_reconstruction_is_that_of_the_mean_code():
    network = ResNetAutoencoder([32, 32], width=4, variational=True).eval()
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(network(images), network.decoder(network.encode(images)[0]))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"multiple of 32, got \[32, 48\]"):
        ResNetAutoencoder([32, 48])
    with pytest.raises(ValueError, match="multiple of 4, got 6"):
        ResNetAutoencoder([32, 32], width=6)
