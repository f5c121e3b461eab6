"""The clip: rows brought back into the ball after every step.

    w_row <- w_row * min(1, max_norm / ||w_row||_2)

Source: per-row weight-norm clipping ("Clip to Grok", 2026).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from grokscope.config.checks import group_values, integer, positive, scope_entries
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import GroupName, GroupValues, Scope
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Weights


@declare_control("clip", switches=("max_norm", "group_max_norm"), order=10)
class Clip(NormConfig):
    """Rows clipped after every step."""

    max_norm: float | None = None
    """Upper bound on the norm of every row in `scope` after every step; left out: no clip."""
    scope: Scope = ("decoder",)
    """Parameters that `max_norm` binds: groups (decoder = all but embed and unembed), or patterns of names such as
    blocks.*.mlp.W_in."""
    group_max_norm: GroupValues = ()
    """Bounds for some groups of their own, in `scope` or not, instead of `max_norm`."""
    from_step: int = 0
    """The first step after which rows are clipped; 0 is the start of training."""
    until_step: int | None = None
    """The last step after which rows are clipped; left out: to the end."""

    def check(self) -> None:
        if self.max_norm is not None:
            positive("norms.max_norm", self.max_norm)
        scope_entries("norms.scope", self.scope)
        group_values("norms.group_max_norm", self.group_max_norm, get_args(GroupName))
        integer("norms.from_step", self.from_step, 0)
        if self.until_step is not None:
            integer("norms.until_step", self.until_step, self.from_step)

    @property
    def clips(self) -> bool:
        """Whether any row is clipped."""
        return self.max_norm is not None or bool(self.group_max_norm)

    def clips_after(self, step: int) -> bool:
        """Whether rows are clipped after a step; 0 is before the first."""
        return self.clips and self.from_step <= step and (self.until_step is None or step <= self.until_step)

    def build(self, names: Iterable[str], start: Weights | None) -> RowClip:
        return RowClip(self, names)


class RowClip(Control):
    """`clip_rows_` of the parameters that a config clips, in its window of steps.

    Arguments:
        config: which rows are clipped, to what, and when.
        names: the parameters that there are.
    """

    def __init__(self, config: Clip, names: Iterable[str]) -> None:
        from grokscope.model import in_scope

        self._config, names = config, tuple(names)
        self._bounds: dict[str, float] = {}
        if config.max_norm is not None:
            self._bounds = dict.fromkeys(in_scope(names, config.scope, "norms.scope"), config.max_norm)
        for group, bound in config.group_max_norm:
            self._bounds |= dict.fromkeys(in_scope(names, (group,)), bound)
        by_bound: dict[float, list[str]] = {}
        for name, bound in self._bounds.items():
            by_bound.setdefault(bound, []).append(name)
        self._by_bound = [(bound, tuple(chosen)) for bound, chosen in by_bound.items()]

    @property
    def row_bounds(self) -> dict[str, float]:
        return self._bounds

    def apply_(self, weights: Weights, step: int) -> None:
        from grokscope.norms.rows import clip_rows_

        if self._config.clips_after(step):
            for bound, names in self._by_bound:
                clip_rows_(weights, bound, names)
