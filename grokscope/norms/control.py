"""What a config does to norms: projection at the start, and a clip, a cap and a clamp after every step."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from grokscope.config import ConfigError, NormConfig
from grokscope.model import ROLES, Weights, in_scope
from grokscope.norms.cap import MatrixCap
from grokscope.norms.rows import clip_rows_, joint_norm, project_rows_

INIT_SCOPES = {"none": (), "all": ROLES, "edge": ("embed", "unembed"), "edge_ln": ("embed", "unembed", "ln_final")}
"""Parameter groups that each `norms.init_rows` projects."""


@torch.no_grad()
def clamp_(weights: Weights, norm: float, names: Iterable[str]) -> None:
    """Scale all named parameters by one common factor so that their joint norm is `norm`, in place.

        W <- W * norm / sqrt(sum_W ||W||_F^2)

    Parameters that are all zero stay so.
    Source: Khanh et al. 2026 (clamping the weight norm after memorisation).
    """
    if not norm > 0:
        raise ConfigError(f"norms.clamp_norm = {norm!r} is not accepted: use a number > 0")
    values = [weights[name] for name in names]
    joint = joint_norm(values)
    if joint > 0:
        torch._foreach_mul_(values, norm / joint)


class NormControl:
    """The norm control of a config on some parameters.

    Arguments:
        config: which rows are clipped, which matrices capped and which norms clamped, and when.
        names: the parameters that there are.
        start: the weights that the cap is relative to; without them nothing can be capped.
    """

    def __init__(self, config: NormConfig, names: Iterable[str], start: Weights | None = None) -> None:
        self.config, names = config, tuple(names)
        self.bounds: dict[str, float] = {}
        """The bound on the rows of every clipped parameter."""
        if config.max_norm is not None:
            self.bounds = dict.fromkeys(in_scope(names, config.scope), config.max_norm)
        for group, bound in config.group_max_norm:
            self.bounds |= dict.fromkeys(in_scope(names, (group,)), bound)
        own = tuple(group for group, _ in config.group_clamp_norm)
        together = in_scope(names, [group for group in config.clamp_scope if group not in own])
        clamps = [(norm, in_scope(names, (group,))) for group, norm in config.group_clamp_norm]
        if config.clamp_target is not None:
            clamps.append((config.clamp_target, together))
        self.clamps = [(norm, chosen) for norm, chosen in clamps if chosen]
        """Joint norms that are clamped, each with its parameters."""
        by_bound: dict[float, list[str]] = {}
        for name, bound in self.bounds.items():
            by_bound.setdefault(bound, []).append(name)
        self.cap = None if start is None else MatrixCap(config, start, names)
        self._by_bound = [(bound, tuple(chosen)) for bound, chosen in by_bound.items()]

    def apply_(self, weights: Weights, step: int) -> None:
        """The clip, then the cap, then the clamp after a step, in place; 0 is before the first."""
        if self.config.clips_after(step):
            for bound, names in self._by_bound:
                clip_rows_(weights, bound, names)
        if self.cap is not None:
            self.cap.apply_(weights)
        elif self.config.cap != "none":
            raise ValueError(
                f"norms.cap = {self.config.cap!r} needs the weights at the start: give NormControl its start"
            )
        if step >= self.config.clamp_from_step:
            for norm, names in self.clamps:
                clamp_(weights, norm, names)


def start_rows_(weights: Weights, config: NormConfig) -> Weights:
    """Norm control before the first step, in place: the initial projection, then clip, cap and clamp once.

    Returns a copy of the projected weights: what the cap is relative to.
    """
    names = in_scope(weights, INIT_SCOPES[config.init_rows])
    if names:
        norm = config.row_norm_at_start
        if norm is None:  # a NormConfig is checked when made; this is for the type checker
            raise ConfigError("norms.init_norm is missing")
        project_rows_(weights, norm, names)
    start = {name: value.detach().clone() for name, value in weights.items()}
    NormControl(config, weights, start).apply_(weights, 0)
    return start
