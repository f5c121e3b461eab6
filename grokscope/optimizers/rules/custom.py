"""An optimizer that a user gives as a callable: `gs.train(config, optimizer=torch.optim.RMSprop)`.

The callable takes the named parameters, a list of pairs of a name and a leaf tensor, as `torch.optim` takes
`module.named_parameters()`, and returns a `torch.optim.Optimizer`. Learning rates are those that it sets. A warm-up or
a schedule multiplies them, and so does `optimizer.lr`, which is 1 here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from grokscope.config.checks import ConfigError, refuse
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer

if TYPE_CHECKING:
    from grokscope.optimizers.called import CalledRule
    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("custom")
class Custom(OptimizerConfig):
    """An optimizer of torch.optim's kind that was given as a callable."""

    FIXED = ("factory", "made")

    lr: float = 1.0
    """A multiple of the learning rates that the callable set."""
    warmup_steps: int = 0
    """The learning rates of step t are multiplied by min(1, t / warmup_steps), t = 1, 2, ..."""
    factory: str = ""
    """The name of the callable, which is set by giving it as optimizer=."""
    made: tuple[str, ...] = ()
    """What it made, which is set by it: for each group of parameters its class and settings, as JSON."""

    def check(self) -> None:
        if not isinstance(self.factory, str):
            refuse("optimizer.factory", self.factory, "use the name of a callable, which optimizer= sets")
        try:
            groups = [json.loads(group) for group in self.made]
        except (TypeError, ValueError):
            groups = [None]
        if not isinstance(self.made, tuple) or not all(isinstance(group, dict) for group in groups):
            refuse("optimizer.made", self.made, "use what a callable given as optimizer= has made, which sets it")

    def rate_of(self, parameter: str, lr: float) -> float:
        """The rate of the parameter's group, as it was made, times `lr`."""
        rates = _rates(self.made)
        if parameter not in rates:
            return 0.0  # no group has it: it is not trained
        rate = rates[parameter]
        if not isinstance(rate, int | float):
            raise ConfigError(
                "optimizer.decay_form = 'decoupled' is not accepted: weight decay is in proportion to the learning "
                f"rate, and {self.factory} sets none for {parameter}; use l2, or the weight decay of its own"
            )
        return rate * lr

    def build(self, parameters: FlatParameters, factory: Callable[..., Any] | None = None) -> CalledRule:
        if factory is None:
            refuse(
                "optimizer.name",
                self.name,
                "use it with a callable: gs.train(config, optimizer=factory); for the command line, declare an "
                "optimizer in a module and name that with --plugin",
            )
        from grokscope.optimizers.called import CalledRule

        return CalledRule(self, parameters, factory)


@cache
def _rates(made: tuple[str, ...]) -> dict[str, Any]:
    """The learning rate of every parameter in the record of groups."""
    groups = map(json.loads, made)
    return {name: group.get("lr") for group in groups for name in group.get("parameters", ())}
