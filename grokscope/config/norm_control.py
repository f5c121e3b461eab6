"""Norm control of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from grokscope.config.checks import ConfigError, choice, group_names, group_values, integer, positive, refuse
from grokscope.config.parameter_groups import GroupName, GroupValues, Heads, ScopeName

CapNorm = Literal["none", "frobenius", "spectral"]
InitRows = Literal["none", "all", "edge", "edge_ln"]


@dataclass(frozen=True)
class NormConfig:
    """Norm control: which rows are projected at the start, and which are clipped after every step."""

    init_rows: InitRows = "none"
    """Rows set to `init_norm` before training: all; edge = embed and unembed; edge_ln = those and ln_final."""
    init_norm: float | None = None
    """Norm of projected rows; left out: `max_norm`."""
    max_norm: float | None = None
    """Upper bound on the norm of every row in `scope` after every step; left out: no clip."""
    scope: tuple[ScopeName, ...] = ("decoder",)
    """Parameter groups that `max_norm` binds; decoder = all but embed and unembed."""
    group_max_norm: GroupValues = ()
    """Bounds for some groups of their own, in `scope` or not, instead of `max_norm`."""
    from_step: int = 0
    """The first step after which rows are clipped; 0 is the start of training."""
    until_step: int | None = None
    """The last step after which rows are clipped; left out: to the end."""
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
    cap: CapNorm = "none"
    """Upper bound on a norm of every matrix in `cap_scope` after every step, relative to its norm at the start."""
    cap_ratio: float = 1.0
    """k: W <- W min(1, k ||W_0|| / ||W||)."""
    cap_scope: tuple[GroupName, ...] = ("embed", "pos_embed", "attention", "mlp", "unembed")
    """Parameter groups whose matrices are capped."""
    cap_heads: Heads = "joined"
    """Whether the cap is on attention matrices of all heads together, or of each head."""

    def __post_init__(self) -> None:
        choice("norms.init_rows", self.init_rows, InitRows)
        if self.init_norm is not None:
            positive("norms.init_norm", self.init_norm)
        if self.max_norm is not None:
            positive("norms.max_norm", self.max_norm)
        if self.init_rows != "none" and self.row_norm_at_start is None:
            raise ConfigError(
                f"norms.init_rows = {self.init_rows!r} needs a norm: "
                "set norms.init_norm or norms.max_norm to a number > 0"
            )
        group_names("norms.scope", self.scope, ScopeName)
        group_values("norms.group_max_norm", self.group_max_norm, get_args(GroupName))
        group_values("norms.group_clamp_norm", self.group_clamp_norm, get_args(GroupName))
        integer("norms.from_step", self.from_step, 0)
        if self.until_step is not None:
            integer("norms.until_step", self.until_step, self.from_step)
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
        choice("norms.cap", self.cap, CapNorm)
        positive("norms.cap_ratio", self.cap_ratio)
        group_names("norms.cap_scope", self.cap_scope, GroupName)
        without = [name for name in self.cap_scope if name in ("ln", "ln_final", "biases")]
        if without:
            refuse("norms.cap_scope", self.cap_scope, f"{without[0]} has no matrices; leave it out")
        choice("norms.cap_heads", self.cap_heads, Heads)

    @property
    def clips(self) -> bool:
        """Whether any row is clipped."""
        return self.max_norm is not None or bool(self.group_max_norm)

    def clips_after(self, step: int) -> bool:
        """Whether rows are clipped after a step; 0 is before the first."""
        return self.clips and self.from_step <= step and (self.until_step is None or step <= self.until_step)

    @property
    def clamp_target(self) -> float | None:
        """The joint norm of `clamp_scope`: given, or as a multiple of the reference."""
        if self.clamp_rho is not None and self.clamp_reference is not None:
            return self.clamp_rho * self.clamp_reference
        return self.clamp_norm

    @property
    def row_norm_at_start(self) -> float | None:
        """The norm that `init_rows` projects to."""
        return self.max_norm if self.init_norm is None else self.init_norm
