"""SignSGD: the sign of the gradient, without momentum."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from grokscope.optimizers.closure import Closure, closure_loss


class SignSGD(torch.optim.Optimizer):
    """w <- w - lr * sign(g), with sign(0) = 0.

    Source: Bernstein et al. 2018, "signSGD: compressed optimisation for non-convex problems", algorithm 1.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3) -> None:
        if not lr > 0:
            raise ValueError(f"lr = {lr!r} is not accepted: use a number > 0")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> float | None:  # type: ignore[override]
        """One update; returns what `closure` returns, if there is one."""
        loss = closure_loss(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad.sign(), alpha=-group["lr"])
        return loss
