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
from typing import TYPE_CHECKING, get_args

from grokscope.config.checks import choice, group_choices, group_values, number, positive, refuse
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.config.parameter_groups import GroupLmos, GroupName, GroupValues, Heads, LmoName
from grokscope.optimizers.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.model import Weights
    from grokscope.optimizers.flat import FlatParameters

_VECTORS = ("ln", "ln_final", "biases")
"""Groups without matrices."""


@declare_optimizer("scion", "unconstrained_scion")
class Scion(OptimizerConfig):
    """Scion: every step has the length of the learning rate."""

    FIXED = ("heads", "radius", "group_radius", "group_lmo")

    heads: Heads = "joined"
    """Whether the norm is of attention matrices of all heads together, or of each head."""
    averaging: float = 0.1
    """alpha, the weight of the newest gradient in the average d <- alpha g + (1 - alpha) d."""
    radius: float = 1.0
    """Radius of every parameter's ball."""
    group_radius: GroupValues = ()
    """Radii for some groups of their own."""
    group_lmo: GroupLmos = ()
    """Norms for some groups; auto, for all others, is spectral for matrices and bias_rms for vectors."""

    def check(self) -> None:
        choice("optimizer.heads", self.heads, Heads)
        number("optimizer.averaging", self.averaging, 0.0, 1.0, open_low=True, open_high=False)
        positive("optimizer.radius", self.radius)
        group_values("optimizer.group_radius", self.group_radius, get_args(GroupName))
        group_choices("optimizer.group_lmo", self.group_lmo, get_args(GroupName), get_args(LmoName))
        for group, lmo in self.group_lmo:
            matrices = ("auto", "spectral", "sign", "col_norm", "row_norm")
            suits = ("auto", "bias_rms") if group in _VECTORS else matrices
            if lmo not in suits:
                refuse(f"optimizer.group_lmo of {group}", lmo, f"use one of {', '.join(suits)}")
        if self.is_constrained and self.lr > 1:
            refuse(
                "optimizer.lr", self.lr, f"{self.name} steps from the weights towards the ball's edge; use at most 1"
            )

    @property
    def is_constrained(self) -> bool:
        """Whether the weights stay in their balls."""
        return not self.name.startswith("unconstrained")

    @property
    def threshold(self) -> float | None:
        """The threshold of the clipped form; None: not clipped."""
        return None

    def start_inside_(self, weights: Weights, names: tuple[str, ...]) -> None:
        """Scale parameters outside their balls onto the edge, in place, where the weights are to stay inside."""
        if self.is_constrained:
            into_balls_(weights, balls(self, names).values())

    @property
    def kept_vectors(self) -> int:
        return 1

    def build(self, parameters: FlatParameters) -> ScionRule:
        return ScionRule(self, parameters)


@declare_optimizer("clipped_scion", "unconstrained_clipped_scion")
class ClippedScion(Scion):
    """Clipped Scion: near a minimum steps are those of steepest descent."""

    rho: float = 1.0
    """Threshold on sum_l <d_l, v_l>, above which the step's length is the learning rate."""

    def check(self) -> None:
        super().check()
        positive("optimizer.rho", self.rho)

    @property
    def threshold(self) -> float | None:
        return self.rho


class Ball:
    """The ball of one parameter: `lmo`, `radius`, and how the parameter is read."""

    def __init__(self, name: str, lmo: LmoName, radius: float, heads: Heads) -> None:
        from grokscope.model import is_matrix
        from grokscope.optimizers.lmo import resolved

        self.name, self.radius = name, radius
        self._heads: Heads = heads
        self._is_matrix = is_matrix(name)
        self.lmo: LmoName = resolved(lmo, self._is_matrix)

    def read(self, value: Tensor) -> Tensor:
        """The parameter as the norm sees it: `[out, in]` for a matrix."""
        from grokscope.model import as_matrix

        return as_matrix(self.name, value, self._heads) if self._is_matrix else value

    def add_direction_(self, out: Tensor, d: Tensor) -> None:
        """out <- out + radius * (-lmo(d)), in place."""
        from grokscope.model import write_matrix_
        from grokscope.optimizers.lmo import direction

        step = direction(self.lmo, self.read(d)).mul_(self.radius)
        if self._is_matrix:
            shaped = out.clone()
            write_matrix_(self.name, shaped, step, self._heads)
            step = shaped
        out.add_(step)

    def norm(self, value: Tensor) -> float:
        """The parameter's norm in units of the radius; at most 1 is inside."""
        from grokscope.optimizers.lmo import norm

        return norm(self.lmo, self.read(value)) / self.radius


def balls(config: Scion, names: Iterable[str]) -> dict[str, Ball]:
    """The ball of every parameter."""
    from grokscope.model import role

    lmos, radii = dict(config.group_lmo), dict(config.group_radius)
    return {
        name: Ball(name, lmos.get(role(name), "auto"), radii.get(role(name), config.radius), config.heads)
        for name in names
    }


def into_balls_(weights: Weights, balls: Iterable[Ball]) -> None:
    """Scale every parameter outside its ball onto its edge, in place: where constrained training starts."""
    for ball in balls:
        size = ball.norm(weights[ball.name].detach())
        if size > 1:
            weights[ball.name].detach().div_(size)


class ScionRule(Rule):
    """All four forms; it remembers the average of gradients.

    Arguments:
        config: learning rate (at most 1 in the constrained form), alpha, radii, norms and rho.
        parameters: in one vector, with its gradient.
    """

    def __init__(self, config: Scion, parameters: FlatParameters) -> None:
        super().__init__(config)
        vector = parameters.vector.detach()
        self._parameters, self._balls = parameters, balls(config, parameters.names)
        self._average = vector.new_zeros(vector.shape)

    def step(self, lr: float) -> None:
        config, vector, d = self.config, self._parameters.vector.detach(), self._average
        d.lerp_(self._parameters.gradient, config.averaging)
        v = vector.clone() if config.is_constrained else vector.new_zeros(vector.shape)
        averages, steps = self._parameters.views(d), self._parameters.views(v)
        for name, ball in self._balls.items():
            ball.add_direction_(steps[name], averages[name])
        length = 1.0
        if config.threshold is not None:
            # Below zero only outside the ball, where norm control or the start may have left the weights.
            length = min(1.0, max(0.0, float(d.dot(v))) / config.threshold)
        vector.sub_(v, alpha=lr * length)

    def tensors(self) -> dict[str, Tensor]:
        return {"0.average": self._average}
