"""One shrink: all parameters of a scope scaled by one factor, once.

    W <- factor W      after one step

Beside a clip that acts at that step alone it is what is left when only the total counts: as much norm taken away, and
from every row alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grokscope.config.checks import integer, positive, scope_entries
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import Scope
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Weights


@declare_control("shrink", switches=("shrink_step",), order=40)
class Shrink(NormConfig):
    """Weights scaled once."""

    shrink_step: int | None = None
    """The step after which weights are scaled; 0 is before the first."""
    shrink_factor: float = 0.5
    """What they are multiplied by."""
    shrink_scope: Scope = ("decoder",)
    """Parameters that are: groups, or patterns of names such as blocks.*.mlp.W_in."""

    def check(self) -> None:
        if self.shrink_step is not None:
            integer("norms.shrink_step", self.shrink_step, 0)
        positive("norms.shrink_factor", self.shrink_factor)
        scope_entries("norms.shrink_scope", self.shrink_scope)

    def build(self, names: Iterable[str], start: Weights | None) -> OneShrink:
        from grokscope.model import in_scope

        return OneShrink(self, in_scope(names, self.shrink_scope, "norms.shrink_scope"))


class OneShrink(Control):
    """The shrink of a config on some parameters."""

    def __init__(self, config: Shrink, names: tuple[str, ...]) -> None:
        self._config, self._names = config, names

    def apply_(self, weights: Weights, step: int) -> None:
        if step == self._config.shrink_step:
            for name in self._names:
                weights[name].detach().mul_(self._config.shrink_factor)
