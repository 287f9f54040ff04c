"""Iterations with a critic, for ``iteration_update`` of MONAI's trainers."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import SupervisedTrainer, Trainer
from torch.nn import functional as F

from bundle.losses.adversarial import critic_loss, gradient_penalty
from bundle.networks import FAnoGANNet
from bundle.networks.reconstruction import RECONSTRUCTION, TARGET

Output = list[dict[str, torch.Tensor]]


class WassersteinUpdate:
    """One step of a Wasserstein GAN's critic, with gradient penalty, and every few iterations one of its generator.

    Both are in training mode during the iteration, whatever mode the network has. ``parts`` is for
    `LossPartsHandler`.

    Args:
        network: network with generator and critic.
        generator_optimizer: optimizer of the generator.
        critic_optimizer: optimizer of the critic.
        critic_steps: iterations for each step of the generator.
        penalty: weight of the gradient penalty.

    Raises:
        ValueError: When ``critic_steps`` is below 1 or the penalty negative.

    Source:
        Gulrajani et al., NeurIPS 2017, algorithm 1, but every step of the critic has a batch of its own: an iteration.
    """

    def __init__(
        self,
        network: FAnoGANNet,
        generator_optimizer: torch.optim.Optimizer,
        critic_optimizer: torch.optim.Optimizer,
        critic_steps: int = 5,
        penalty: float = 10.0,
    ) -> None:
        if critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, got {critic_steps}.")
        if penalty < 0:
            raise ValueError(f"penalty must be at least 0, got {penalty}.")
        self.network = network
        self.generator_optimizer = generator_optimizer
        self.critic_optimizer = critic_optimizer
        self.critic_steps = critic_steps
        self.penalty = penalty
        self.parts: dict[str, torch.Tensor] = {}

    def __call__(self, engine: Trainer, batchdata: Any) -> Output:
        """Train on one batch and return the critic's loss."""
        image, _ = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking)
        real, _ = self.network.training_images(image)
        self.network.generator.train()
        self.network.critic.train()
        loss = self._train_critic(real)
        if engine.state.iteration % self.critic_steps == 0:
            self._train_generator(len(real), real.device)
        return [{"loss": loss}]

    def _train_critic(self, real: torch.Tensor) -> torch.Tensor:
        critic = self.network.critic
        with torch.no_grad():
            fake = self.network.generate(len(real), real.device)
        distance = critic_loss(critic(real), critic(fake))
        penalty = gradient_penalty(critic, real, fake, torch.rand(len(real), device=real.device))
        loss = distance + self.penalty * penalty
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        self.parts = {"wasserstein_distance": -distance.detach(), "gradient_penalty": penalty.detach()}
        return loss.detach()

    def _train_generator(self, count: int, device: torch.device) -> None:
        self.generator_optimizer.zero_grad()
        (-self.network.critic(self.network.generate(count, device)).mean()).backward()
        self.generator_optimizer.step()


class JointUpdate:
    """One step of encoder and generator on the trainer's loss, and one of the critic, which tells reconstructions.

    Args:
        critic_optimizer: optimizer of the critic.

    Attributes:
        parts: the last call's detached scalars.

    Source:
        The published code of Silva-Rodríguez et al., BMVC 2021, under the name of f-AnoGAN.
    """

    def __init__(self, critic_optimizer: torch.optim.Optimizer) -> None:
        self.critic_optimizer = critic_optimizer
        self.parts: dict[str, torch.Tensor] = {}

    def __call__(self, engine: SupervisedTrainer, batchdata: Any) -> Output:
        """Train on one batch and return the loss of encoder and generator."""
        image, _ = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking)
        network = engine.network.train()
        assert isinstance(network, FAnoGANNet)
        output = network.training_output(image)
        loss: torch.Tensor = engine.loss_function(output, None)
        engine.optimizer.zero_grad()
        loss.backward()
        engine.optimizer.step()

        real = network.critic(output[TARGET])
        fake = network.critic(output[RECONSTRUCTION].detach())
        told = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        told = 0.5 * (told + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)))
        self.critic_optimizer.zero_grad()
        told.backward()
        self.critic_optimizer.step()
        self.parts = {"critic_loss": told.detach()}
        return [{"loss": loss.detach()}]
