"""Scion and its clipped forms: steps of steepest descent, each parameter in the norm of its role.

    d <- alpha g + (1 - alpha) d                                  no bias correction
    unconstrained   v_l = -r_l lmo(d_l)                           steps have length r_l
    constrained     v_l = x_l - r_l lmo(d_l)                      x stays in the ball of radius r_l
    x <- x - lr v                                                 Scion
    x <- x - lr min(1, S / rho) v,   S = sum_l <d_l, v_l>         clipped: one sum over all parameters

Clipped Scion steps gamma min(rho, S) v; lr here is gamma rho, as in the published code, so rho -> 0 is Scion, and
rho -> infinity with lr / rho = gamma held is steepest descent, x <- x - gamma S v.
Sources: Pethick et al. 2025, "Training deep learning models with norm-constrained LMOs", algorithm 1 and 2; Pethick et
al. 2025, "Generalized gradient norm clipping and non-Euclidean (L0, L1)-smoothness", algorithm 3 (unconstrained) and
algorithm 4, variant 2 (constrained; its factor 4 is absorbed in rho).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from grokscope.config import Heads, LmoName, OptimizerConfig
from grokscope.model import Weights, as_matrix, is_matrix, role, write_matrix_
from grokscope.optimizers.closure import Closure, closure_loss
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.lmo import direction, norm, resolved


class Ball:
    """The ball of one parameter: `lmo`, `radius`, and how the parameter is read."""

    def __init__(self, name: str, lmo: LmoName, radius: float, heads: Heads) -> None:
        self.name, self.radius = name, radius
        self._heads: Heads = heads
        self._is_matrix = is_matrix(name)
        self.lmo: LmoName = resolved(lmo, self._is_matrix)

    def read(self, value: Tensor) -> Tensor:
        """The parameter as the norm sees it: `[out, in]` for a matrix."""
        return as_matrix(self.name, value, self._heads) if self._is_matrix else value

    def add_direction_(self, out: Tensor, d: Tensor) -> None:
        """out <- out + radius * (-lmo(d)), in place."""
        step = direction(self.lmo, self.read(d)).mul_(self.radius)
        if self._is_matrix:
            shaped = torch.empty_like(out)
            write_matrix_(self.name, shaped, step, self._heads)
            step = shaped
        out.add_(step)

    def norm(self, value: Tensor) -> float:
        """The parameter's norm in units of the radius; at most 1 is inside."""
        return norm(self.lmo, self.read(value)) / self.radius


def balls(config: OptimizerConfig, names: Iterable[str]) -> dict[str, Ball]:
    """The ball of every parameter."""
    lmos, radii = dict(config.group_lmo), dict(config.group_radius)
    return {
        name: Ball(name, lmos.get(role(name), "auto"), radii.get(role(name), config.radius), config.heads)
        for name in names
    }


@torch.no_grad()
def into_balls_(weights: Weights, balls: Iterable[Ball]) -> None:
    """Scale every parameter outside its ball onto its edge, in place: where constrained training starts."""
    for ball in balls:
        size = ball.norm(weights[ball.name])
        if size > 1:
            weights[ball.name].div_(size)


class Scion(torch.optim.Optimizer):
    """All four forms.

    Arguments:
        parameters: in one vector, with its gradient.
        balls: of every parameter.
        lr: learning rate, at most 1 in the constrained form.
        averaging: alpha.
        rho: threshold of the clipped form; None: not clipped.
        constrained: whether the weights stay in their balls.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        balls: dict[str, Ball],
        lr: float,
        averaging: float,
        rho: float | None,
        constrained: bool,
    ) -> None:
        super().__init__([parameters.vector], {"lr": lr, "averaging": averaging, "rho": rho})
        self._parameters, self._balls, self._constrained = parameters, balls, constrained

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> float | None:  # type: ignore[override]
        """One update; returns what `closure` returns, if there is one."""
        loss = closure_loss(closure)
        group, vector = self.param_groups[0], self._parameters.vector
        assert vector.grad is not None
        d = self.state[vector].setdefault("average", torch.zeros_like(vector))
        d.lerp_(vector.grad, group["averaging"])
        v = vector.detach().clone() if self._constrained else torch.zeros_like(vector)
        averages, steps = self._parameters.views(d), self._parameters.views(v)
        for name, ball in self._balls.items():
            ball.add_direction_(steps[name], averages[name])
        length = 1.0
        if group["rho"] is not None:
            # Below zero only outside the ball, where norm control or the start may have left the weights.
            length = min(1.0, max(0.0, float(torch.dot(d, v))) / group["rho"])
        vector.sub_(v, alpha=group["lr"] * length)
        return loss
