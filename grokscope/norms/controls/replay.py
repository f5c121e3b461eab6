"""Replay: the shrinking that a clip did in another run, done to this one, whatever its own norms are.

A clip does two things at once: it bounds norms, and it multiplies every weight by a factor below 1 at every step, so
that what was learnt early is forgotten at a rate. The replay has the second without the first. The factors come from
the trace of a run with a clip (`probes.trace`):

    tensor        f(t, W) = ||W after norm control|| / ||W after the update||, of each tensor at each step
    all           f(t), the same of all tensors that the clip shrank, together
    tensor_mean   the geometric mean of f(t, W) over the steps of the trace
    all_mean      the geometric mean of f(t)

Source: this project.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from grokscope.config.checks import ConfigError, choice, scope_entries, trace_reference
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import Scope
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from grokscope.model import Trace, Weights

ReplayForm = Literal["tensor", "all", "tensor_mean", "all_mean"]


@declare_control("replay", switches=("replay",), order=45)
class Replay(NormConfig):
    """Shrink factors of another run."""

    replay: str | None = None
    """The trace of that run, PATH@SHA256 (`Trace.save`); left out: no replay."""
    replay_form: ReplayForm = "tensor"
    """tensor: factors of each tensor at each step. all: one at each step. tensor_mean: the mean over steps of each
    tensor. all_mean: one number."""
    replay_scope: Scope = ("decoder",)
    """Parameters that are shrunk: groups, or patterns of names such as blocks.*.mlp.W_in."""

    def check(self) -> None:
        if self.replay is not None:
            trace_reference("norms.replay", self.replay)
        choice("norms.replay_form", self.replay_form, ReplayForm)
        scope_entries("norms.replay_scope", self.replay_scope)

    def build(self, names: Iterable[str], start: Weights | None) -> Replayed:
        from grokscope.model import in_scope, read_trace

        if self.replay is None:  # a control is built where it is on; this is for the type checker
            raise ConfigError("norms.replay is missing")
        return Replayed(
            read_trace("norms.replay", self.replay),
            self.replay_form,
            in_scope(names, self.replay_scope, "norms.replay_scope"),
        )


def factors(trace: Trace, form: ReplayForm, names: tuple[str, ...]) -> Float[np.ndarray, "step parameter"]:
    """The factor of each parameter after every step, the first is 1."""
    import numpy as np

    columns = [trace.column(name) for name in names]
    if form in ("all", "all_mean"):
        of_steps = np.repeat(trace.shrink_of_all[:, None], len(columns), axis=1)
    else:
        of_steps = trace.shrink[:, columns]
    if form in ("tensor_mean", "all_mean"):
        return np.broadcast_to(np.exp(np.log(of_steps).mean(0)), of_steps.shape)
    return of_steps


class Replayed(Control):
    """The factors of a trace, step by step.

    Arguments:
        trace: of the run whose shrinking is done again.
        form: which factors.
        names: the parameters that are shrunk.
    """

    def __init__(self, trace: Trace, form: ReplayForm, names: tuple[str, ...]) -> None:
        self._names, self._factors = names, factors(trace, form, names)
        self.last_step = None if form in ("tensor_mean", "all_mean") else len(trace)

    def apply_(self, weights: Weights, step: int) -> None:
        if step == 0:
            return
        for name, factor in zip(self._names, self._factors[(step - 1) % len(self._factors)].tolist(), strict=True):
            if factor != 1.0:
                weights[name].detach().mul_(factor)
