"""Yogi with AMSGrad, the optimiser of the paper's constrained models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch_optimizer import Yogi


class YogiAMSGrad(Yogi):
    """Yogi whose step is divided by the largest second moment seen so far instead of the latest.

    torch-optimizer's Yogi has no AMSGrad; arguments, defaults and state are its own, with ``max_exp_avg_sq`` added.

    Args:
        params: parameters or parameter groups.
        lr: learning rate.
        betas: decay of the running first and second moment.
        eps: added to the denominator; against gradients of 1e-5 the default of 1e-3 is large.
        initial_accumulator: first value of both moments.
        weight_decay: L2 penalty, added to the gradient.
        amsgrad: False gives torch-optimizer's plain Yogi.

    Raises:
        ValueError: When an argument is out of its range (by torch-optimizer).
        RuntimeError: When a gradient is sparse.

    Source:
        Zaheer et al., NeurIPS 2018 (Yogi); Reddi et al., ICLR 2018 (AMSGrad); Wargnier-Dauchelle et al., IEEE TMI
        42(11), 2023, section IV-B (both together, learning rate 1).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-3,
        initial_accumulator: float = 1e-6,
        weight_decay: float = 0.0,
        amsgrad: bool = True,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, initial_accumulator=initial_accumulator, weight_decay=weight_decay
        )
        for group in self.param_groups:
            group.setdefault("amsgrad", amsgrad)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step; ``closure`` re-evaluates the model and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_parameter(parameter, group)
        return loss

    def _step_parameter(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        grad = parameter.grad
        assert grad is not None
        if grad.is_sparse:
            raise RuntimeError("YogiAMSGrad does not support sparse gradients. Use torch.optim.SparseAdam instead.")
        state = self.state[parameter]
        if not state:
            first = torch.full_like(parameter, group["initial_accumulator"], memory_format=torch.preserve_format)
            state.update(step=0, exp_avg=first, exp_avg_sq=first.clone())
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = first.clone()
        if group["weight_decay"]:
            grad = grad.add(parameter, alpha=group["weight_decay"])

        beta1, beta2 = group["betas"]
        state["step"] += 1
        state["exp_avg"].lerp_(grad, 1 - beta1)
        second, squared = state["exp_avg_sq"], grad.square()
        # Yogi: v moves towards g^2 by a step of the size of g^2, whatever the distance.
        second.addcmul_(torch.sign(second - squared), squared, value=-(1 - beta2))
        if group["amsgrad"]:
            second = torch.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        denominator = second.sqrt().div_(math.sqrt(1 - beta2 ** state["step"])).add_(group["eps"])
        parameter.addcdiv_(state["exp_avg"], denominator, value=-group["lr"] / (1 - beta1 ** state["step"]))
