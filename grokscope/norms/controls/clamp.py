"""The clamp: all parameters of some groups scaled by one common factor, so that their joint norm is a given one.

    W <- W * norm / sqrt(sum_W ||W||_F^2)

Source: Khanh et al. 2026 (clamping the weight norm after memorisation).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from grokscope.config.checks import ConfigError, group_names, group_values, integer, positive, refuse
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import GroupName, GroupValues
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Weights


@declare_control("clamp", switches=("clamp_norm", "clamp_reference", "clamp_rho", "group_clamp_norm"), order=30)
class Clamp(NormConfig):
    """Joint norms clamped after every step."""

    clamp_norm: float | None = None
    """Joint L2 norm that one common factor gives all parameters in `clamp_scope` after every step; left out: no
    clamp."""
    clamp_reference: float | None = None
    """The norm W_c that `clamp_rho` is relative to."""
    clamp_rho: float | None = None
    """The clamp as a multiple of `clamp_reference`, instead of `clamp_norm`."""
    clamp_scope: tuple[GroupName, ...] = ("embed", "pos_embed", "attention", "mlp", "unembed")
    """Parameter groups that are clamped together: by default all weight matrices."""
    group_clamp_norm: GroupValues = ()
    """Joint norms for some groups of their own, each by a factor of its own; those leave `clamp_scope`."""
    clamp_from_step: int = 0
    """The first step after which norms are clamped."""

    def check(self) -> None:
        group_values("norms.group_clamp_norm", self.group_clamp_norm, get_args(GroupName))
        integer("norms.clamp_from_step", self.clamp_from_step, 0)
        for leaf in ("clamp_norm", "clamp_reference", "clamp_rho"):
            if getattr(self, leaf) is not None:
                positive(f"norms.{leaf}", getattr(self, leaf))
        if (self.clamp_rho is None) != (self.clamp_reference is None):
            raise ConfigError(
                f"norms.clamp_rho = {self.clamp_rho} and norms.clamp_reference = {self.clamp_reference} belong "
                "together: set both, or norms.clamp_norm alone"
            )
        if self.clamp_norm is not None and self.clamp_rho is not None:
            refuse("norms.clamp_norm", self.clamp_norm, "norms.clamp_rho and norms.clamp_reference give it already")
        group_names("norms.clamp_scope", self.clamp_scope, GroupName)

    @property
    def clamp_target(self) -> float | None:
        """The joint norm of `clamp_scope`: given, or as a multiple of the reference."""
        if self.clamp_rho is not None and self.clamp_reference is not None:
            return self.clamp_rho * self.clamp_reference
        return self.clamp_norm

    def build(self, names: Iterable[str], start: Weights | None) -> JointClamp:
        return JointClamp(self, names)


class JointClamp(Control):
    """`clamp_` of the groups that a config clamps, from its first step on.

    Arguments:
        config: which norms are clamped, to what, and when.
        names: the parameters that there are.
    """

    def __init__(self, config: Clamp, names: Iterable[str]) -> None:
        from grokscope.model import in_scope

        self._from_step, names = config.clamp_from_step, tuple(names)
        own = tuple(group for group, _ in config.group_clamp_norm)
        together = in_scope(names, [group for group in config.clamp_scope if group not in own])
        clamps = [(norm, in_scope(names, (group,))) for group, norm in config.group_clamp_norm]
        if config.clamp_target is not None:
            clamps.append((config.clamp_target, together))
        self._clamps = [(norm, chosen) for norm, chosen in clamps if chosen]

    def apply_(self, weights: Weights, step: int) -> None:
        if step >= self._from_step:
            for norm, names in self._clamps:
                clamp_(weights, norm, names)


def clamp_(weights: Weights, norm: float, names: Iterable[str]) -> None:
    """Scale all named parameters by one common factor so that their joint norm is `norm`, in place.

    Parameters that are all zero stay so.
    """
    import torch

    from grokscope.norms.rows import joint_norm

    if not norm > 0:
        raise ConfigError(f"norms.clamp_norm = {norm!r} is not accepted: use a number > 0")
    values = [weights[name].detach() for name in names]
    joint = joint_norm(values)
    if joint > 0:
        torch._foreach_mul_(values, norm / joint)
