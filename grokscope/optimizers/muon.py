"""Muon: momentum, orthogonalised, for matrices; Adam for everything else."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.adam import adam

from grokscope.config import Heads
from grokscope.model import as_matrix, is_matrix, role, write_matrix_
from grokscope.optimizers.closure import Closure, closure_loss
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.orthogonal import orthogonalised

_EPS = 1e-8


def is_orthogonalised(name: str) -> bool:
    """Whether Muon orthogonalises a parameter's updates: matrices of attention and MLPs; embeddings have Adam."""
    return is_matrix(name) and role(name) in ("attention", "mlp")


class Muon(torch.optim.Optimizer):
    """Matrices, with m = momentum, and the rest, by Adam:

        b <- m b + (1 - m) g,   u = (1 - m) g + m b,   W <- W - lr sqrt(max(1, d_out / d_in)) orthogonalised(u)

    Source: Jordan et al. 2024, with Nesterov momentum and the size factor as in `torch.optim.Muon`.

    Arguments:
        parameters: in one vector, with its gradient.
        lr, adam_lr: learning rates of matrices and of the rest; `adam_lr` None is `lr`.
        momentum: m.
        betas: of Adam.
        heads: whether attention matrices are orthogonalised joined or per head.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        lr: float,
        momentum: float,
        betas: tuple[float, float],
        adam_lr: float | None = None,
        heads: Heads = "joined",
    ) -> None:
        self._parameters = parameters
        self._heads: Heads = heads
        self._matrices = [name for name in parameters.names if is_orthogonalised(name)]
        assert parameters.vector.grad is not None
        gradients = parameters.views(parameters.vector.grad)
        rest = []
        for name in parameters.names:
            if not is_orthogonalised(name):
                rest.append(parameters.weights[name])
                rest[-1].grad = gradients[name]
        # Momentum lies in one vector, in the order of memory, so that a state that was loaded adds up to the same bits.
        groups = [
            {"params": [parameters.vector], "momentum": momentum},
            {"params": rest, "betas": betas, "rate": 1.0 if adam_lr is None else adam_lr / lr},
        ]
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> float | None:  # type: ignore[override]
        """One update; returns what `closure` returns, if there is one."""
        loss = closure_loss(closure)
        matrices, rest = self.param_groups
        self._orthogonal_step(matrices)
        self._adam_step(rest)
        return loss

    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        vector, m = self._parameters.vector, group["momentum"]
        assert vector.grad is not None
        average = self.state[vector].setdefault("momentum_buffer", torch.zeros_like(vector))
        average.lerp_(vector.grad, 1 - m)
        updates = self._parameters.views(vector.grad.lerp(average, m))
        for name in self._matrices:
            update = updates[name]
            matrix = orthogonalised(as_matrix(name, update, self._heads))
            d_out, d_in = matrix.shape[-2:]
            write_matrix_(name, update, matrix, self._heads)
            self._parameters.weights[name].sub_(update, alpha=group["lr"] * max(1.0, d_out / d_in) ** 0.5)

    def _adam_step(self, group: dict[str, Any]) -> None:
        params = group["params"]
        for value in params:
            state = self.state[value]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(value), torch.zeros_like(value)
        states = [self.state[value] for value in params]
        adam(
            params,
            [value.grad for value in params],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            foreach=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"] * group["rate"],
            weight_decay=0.0,
            eps=_EPS,
            maximize=False,
        )
