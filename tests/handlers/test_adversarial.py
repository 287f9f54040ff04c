from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from monai.engines import PrepareBatchDefault

from bundle.handlers import JointUpdate, WassersteinUpdate
from bundle.losses import EncoderLoss
from bundle.losses.adversarial import critic_loss, gradient_penalty
from bundle.networks import FAnoGANNet
from tests.networks.reconstruction_toy import overfit, toy_brains

RATE = 1.0e-2


def sgd(parameters):
    return torch.optim.SGD(list(parameters), lr=RATE)


def engine_at(iteration, **attributes):
    state = SimpleNamespace(iteration=iteration, device=torch.device("cpu"))
    return SimpleNamespace(state=state, non_blocking=False, prepare_batch=PrepareBatchDefault(), **attributes)


def changed(before, after):
    return [not torch.equal(*pair) for pair in zip(before.parameters(), after.parameters(), strict=True)]


@pytest.fixture
def batch():
    return {"image": toy_brains(64, 4), "label": torch.zeros(4)}


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield FAnoGANNet([64, 64], latent_size=4, width=4)


def test_generator_learns_every_few_iterations_and_the_critic_always(network, batch):
    update = WassersteinUpdate(
        network, sgd(network.generator.parameters()), sgd(network.critic.parameters()), critic_steps=3
    )
    for iteration in range(1, 7):
        before = copy.deepcopy(network)
        update(engine_at(iteration), batch)
        assert any(changed(before.critic, network.critic))
        assert any(changed(before.generator, network.generator)) == (iteration % 3 == 0)
        assert not any(changed(before.model.encoder, network.model.encoder))
    assert network.generator.training and network.critic.training
    assert set(update.parts) == {"wasserstein_distance", "gradient_penalty"}


def test_critic_step_is_that_of_its_formula(network, batch):
    twin = copy.deepcopy(network)
    optimizers = sgd(network.generator.parameters()), sgd(network.critic.parameters())
    update = WassersteinUpdate(network, *optimizers, penalty=7.0)
    torch.manual_seed(3)
    (output,) = update(engine_at(1), batch)

    torch.manual_seed(3)
    real, _ = twin.training_images(batch["image"])
    twin.generator.train()
    fake = twin.generate(4, "cpu").detach()
    penalty = gradient_penalty(twin.critic, real, fake, torch.rand(4))
    expected = critic_loss(twin.critic(real), twin.critic(fake)) + 7.0 * penalty
    gradients = torch.autograd.grad(expected, list(twin.critic.parameters()))
    torch.testing.assert_close(output["loss"], expected.detach())
    for now, then, gradient in zip(network.critic.parameters(), twin.critic.parameters(), gradients, strict=True):
        torch.testing.assert_close(now, then - RATE * gradient)


def test_critic_learns(network, batch):
    critic = torch.optim.Adam(network.critic.parameters(), lr=1e-2)
    update = WassersteinUpdate(network, sgd(network.generator.parameters()), critic, critic_steps=100)
    losses = [float(update(engine_at(iteration), batch)[0]["loss"]) for iteration in range(1, 31)]
    assert losses[-1] < losses[0] / 5
    assert float(update.parts["gradient_penalty"]) < 0.3  # slopes near 1


def test_joint_update_trains_both_sides(batch):
    network = FAnoGANNet([64, 64], latent_size=4, width=4, joint=True)
    update = JointUpdate(sgd(network.critic.parameters()))
    before = copy.deepcopy(network)
    engine = engine_at(1, network=network, loss_function=EncoderLoss(), optimizer=sgd(network.model.parameters()))
    (output,) = update(engine, batch)
    assert any(changed(before.critic, network.critic)) and any(changed(before.generator, network.generator))
    torch.testing.assert_close(output["loss"], EncoderLoss()(before.train()(batch["image"])).detach())
    assert 0 < update.parts["critic_loss"] < 2


def test_joint_one_overfits_eight_images():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = FAnoGANNet([64, 64], width=8, joint=True)
        network.critic.requires_grad_(False)
        before, after = overfit(network, EncoderLoss(feature_weight=0.01), toy_brains(64), iterations=90)
    assert after < before / 10


def test_wrong_arguments_are_named(network):
    optimizers = [sgd(network.generator.parameters()), sgd(network.critic.parameters())]
    with pytest.raises(ValueError, match="critic_steps must be at least 1, got 0"):
        WassersteinUpdate(network, *optimizers, critic_steps=0)
    with pytest.raises(ValueError, match=r"penalty must be at least 0, got -1\.0"):
        WassersteinUpdate(network, *optimizers, penalty=-1.0)
