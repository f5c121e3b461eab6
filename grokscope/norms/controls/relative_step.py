"""The relative step held while norms are free: updates grow with the weights that they change.

    W <- W + (update) ||W|| / n

so that ||update|| / ||W|| is what it would be at the norm n: that of the start, or that which another run had at the
same step (its trace). An optimizer whose updates do not depend on the norm, as Lion's and Adam's do not, turns a weight
of twice the norm by half the angle; here it turns by the same. The update is all that the step changed before norms
are controlled, decoupled weight decay included. On the growing sphere W is the parameter that grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from grokscope.config.checks import ConfigError, choice, scope_entries, trace_reference
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import Scope
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Trace, Weights

RelativeTo = Literal["none", "start", "trace"]


@declare_control("relative step", switches=("relative_step",), order=60)
class RelativeStep(NormConfig):
    """Updates in proportion to weights."""

    relative_step: RelativeTo = "none"
    """start: every tensor's update is scaled by its norm relative to that at the start. trace: relative to that which
    another run had at the same step."""
    relative_step_trace: str | None = None
    """The trace of that run, PATH@SHA256 (`Trace.save`)."""
    relative_step_scope: Scope = ("decoder",)
    """Parameters whose updates are scaled: groups, or patterns of names such as blocks.*.mlp.W_in. What starts at zero
    is left as it is."""

    def check(self) -> None:
        choice("norms.relative_step", self.relative_step, RelativeTo)
        scope_entries("norms.relative_step_scope", self.relative_step_scope)
        if self.relative_step_trace is not None:
            trace_reference("norms.relative_step_trace", self.relative_step_trace)
        if (self.relative_step == "trace") != (self.relative_step_trace is not None):
            raise ConfigError(
                f"norms.relative_step = {self.relative_step!r} and norms.relative_step_trace = "
                f"{self.relative_step_trace!r} do not belong together: a trace is given with relative_step = trace"
            )

    def build(self, names: Iterable[str], start: Weights | None) -> ScaledUpdates:
        from grokscope.model import in_scope, read_trace

        reference = self.relative_step_trace
        trace = None if reference is None else read_trace("norms.relative_step_trace", reference)
        return ScaledUpdates(in_scope(names, self.relative_step_scope, "norms.relative_step_scope"), start, trace)


class ScaledUpdates(Control):
    """Updates scaled by norms relative to those of the start, or of a trace.

    Arguments:
        names: the parameters.
        start: the weights at the start; None: they are not known, and only the projection is made.
        trace: of the run whose norms count instead.
    """

    acts_on_updates = True

    def __init__(self, names: tuple[str, ...], start: Weights | None, trace: Trace | None) -> None:
        import torch

        self._is_known = start is not None
        norms = {} if start is None else {name: float(torch.linalg.vector_norm(start[name].double())) for name in names}
        self._start = {name: norm for name, norm in norms.items() if norm > 0}
        self._by_step = None if trace is None else trace.before
        self._column = {} if trace is None else {name: trace.column(name) for name in self._start}
        self.last_step = None if trace is None else len(trace)

    def after_update_(self, weights: Weights, before: Weights, step: int) -> None:
        import torch

        if not self._is_known:
            raise ValueError("norms.relative_step needs the weights at the start: give NormControl its start")
        for name, norm in self._norms(step).items():
            old, new = before[name], weights[name].detach()
            new.sub_(old).mul_(torch.linalg.vector_norm(old) / norm).add_(old)

    def shrinkages(self, shares: dict[str, float], before: Weights, step: int) -> dict[str, float]:
        import torch

        norms = self._norms(step)
        scales = {name: float(torch.linalg.vector_norm(before[name])) / norms[name] for name in shares if name in norms}
        return {name: share * scales.get(name, 1.0) for name, share in shares.items()}

    def _norms(self, step: int) -> dict[str, float]:
        """The norms at which updates would be as they are, of the parameters that have one."""
        norms = self._start
        if self._by_step is not None:
            norms = {name: float(self._by_step[step - 1, column]) for name, column in self._column.items()}
        return {name: norm for name, norm in norms.items() if norm > 0}
