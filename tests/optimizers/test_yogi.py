from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch_optimizer import Yogi

from bundle.optimizers import YogiAMSGrad


def gradients(steps: int) -> list[np.ndarray]:
    """Gradients that shrink and grow over orders of magnitude, so that the largest second moment is not the last."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=5) * 10.0 ** (2 * math.sin(step / 3)) for step in range(steps)]


def yogi_by_hand(
    start: np.ndarray, steps: int, lr: float, eps: float, weight_decay: float, amsgrad: bool
) -> np.ndarray:
    """Yogi written out step by step in float64 (Zaheer et al. 2018, algorithm 2, bias corrected as torch-optimizer)."""
    theta, m, v, v_max = start.copy(), np.full(5, 1e-6), np.full(5, 1e-6), np.full(5, 1e-6)
    for t, g in enumerate(gradients(steps), start=1):
        g = g + weight_decay * theta
        m = 0.9 * m + 0.1 * g
        v = v - 0.001 * np.sign(v - g**2) * g**2
        v_max = np.maximum(v_max, v)
        v_used = v_max if amsgrad else v
        theta = theta - lr * (m / (1 - 0.9**t)) / (np.sqrt(v_used / (1 - 0.999**t)) + eps)
    return theta


def run(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, grads: list[np.ndarray]) -> None:
    for gradient in grads:
        parameter.grad = torch.from_numpy(gradient).to(parameter.dtype)
        optimizer.step()


@pytest.mark.parametrize("amsgrad", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("lr", [1.0, 1e-2])
def test_steps_equal_a_calculation_by_hand(lr, weight_decay, amsgrad):
    start = np.linspace(-1, 1, 5)
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    run(YogiAMSGrad([parameter], lr=lr, weight_decay=weight_decay, amsgrad=amsgrad), parameter, gradients(30))
    expected = yogi_by_hand(start, 30, lr, 1e-3, weight_decay, amsgrad)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_without_amsgrad_it_is_the_yogi_of_torch_optimizer():
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64)) for _ in range(2))
    run(YogiAMSGrad([ours], amsgrad=False), ours, gradients(20))
    run(Yogi([theirs]), theirs, gradients(20))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_amsgrad_changes_the_steps():
    start = np.linspace(-1, 1, 5)
    assert not np.allclose(yogi_by_hand(start, 30, 1.0, 1e-3, 0, True), yogi_by_hand(start, 30, 1.0, 1e-3, 0, False))


def test_state_dict_round_trip_continues_the_run(tmp_path):
    whole, halves = (torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64)) for _ in range(2))
    run(YogiAMSGrad([whole], lr=0.1), whole, gradients(20))
    first = YogiAMSGrad([halves], lr=0.1)
    run(first, halves, gradients(20)[:10])
    torch.save(first.state_dict(), tmp_path / "optimizer.pt")
    second = YogiAMSGrad([halves], lr=0.7)  # the saved learning rate must win
    second.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    run(second, halves, gradients(20)[10:])
    assert torch.equal(whole, halves)


def test_copied_optimizer_keeps_its_group_options():
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = copy.deepcopy(YogiAMSGrad([parameter], amsgrad=False))
    assert optimizer.param_groups[0]["amsgrad"] is False


def test_closure_is_evaluated_with_gradients():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = YogiAMSGrad([parameter])

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert parameter.item() < 1.0


def test_sparse_gradients_are_refused():
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.sparse_coo_tensor([[1]], [1.0], (4,), check_invariants=True)
    with pytest.raises(RuntimeError, match="SparseAdam"):
        YogiAMSGrad([parameter]).step()


def test_bad_learning_rate_is_named():
    with pytest.raises(ValueError, match="-1"):
        YogiAMSGrad([torch.nn.Parameter(torch.zeros(1))], lr=-1.0)
