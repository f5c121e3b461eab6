"""The projection: rows set to a norm once, at the start.

    w_row <- w_row * norm / ||w_row||_2

Source: the initial projection of "Clip to Grok" (2026).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

from grokscope.config.checks import ConfigError, choice, positive, scope_entries
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import GroupName, Scope
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Weights

InitRows = Literal["none", "all", "edge", "edge_ln", "chosen"]

INIT_SCOPES: dict[InitRows, tuple[GroupName, ...]] = {
    "none": (),
    "all": get_args(GroupName),
    "edge": ("embed", "unembed"),
    "edge_ln": ("embed", "unembed", "ln_final"),
    "chosen": (),
}
"""Parameter groups that each `norms.init_rows` projects; `chosen`: those of `norms.init_scope`."""


@declare_control("projection", switches=("init_rows",), order=0)
class Projection(NormConfig):
    """Rows projected at the start."""

    FIXED = ("init_rows", "init_norm", "init_scope")

    init_rows: InitRows = "none"
    """Rows set to `init_norm` before training: all; edge = embed and unembed; edge_ln = those and ln_final; chosen =
    those of `init_scope`."""
    init_norm: float | None = None
    """Norm of projected rows; left out: `max_norm`."""
    init_scope: Scope = ()
    """Parameters that `chosen` projects: groups, or patterns of names such as blocks.*.mlp.W_in."""

    def check(self) -> None:
        choice("norms.init_rows", self.init_rows, InitRows)
        if self.init_scope != ():
            scope_entries("norms.init_scope", self.init_scope)
        if (self.init_rows == "chosen") != bool(self.init_scope):
            raise ConfigError(
                f"norms.init_rows = {self.init_rows!r} and norms.init_scope = {self.init_scope!r} do not belong "
                "together: a scope is given with init_rows = chosen"
            )
        if self.init_norm is not None:
            positive("norms.init_norm", self.init_norm)
        if self.init_rows != "none" and self.row_norm_at_start is None:
            raise ConfigError(
                f"norms.init_rows = {self.init_rows!r} needs a norm: "
                "set norms.init_norm or norms.max_norm to a number > 0"
            )

    @property
    def row_norm_at_start(self) -> float | None:
        """The norm that `init_rows` projects to."""
        return self.max_norm if self.init_norm is None else self.init_norm

    def build(self, names: Iterable[str], start: Weights | None) -> RowProjection:
        from grokscope.model import in_scope

        norm = self.row_norm_at_start
        if norm is None:  # a NormConfig is checked when made; this is for the type checker
            raise ConfigError("norms.init_norm is missing")
        return RowProjection(norm, in_scope(names, self.init_scope or INIT_SCOPES[self.init_rows], "norms.init_scope"))


class RowProjection(Control):
    """`project_rows_` of some parameters, to one norm."""

    def __init__(self, norm: float, names: tuple[str, ...]) -> None:
        self._norm, self._names = norm, names

    def project_(self, weights: Weights) -> None:
        from grokscope.norms.rows import project_rows_

        if self._names:
            project_rows_(weights, self._norm, self._names)
