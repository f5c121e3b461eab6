"""What a config's optimizer does to the weights in a step, in its order.

Weight decay that the rule does not do by itself, the rule, learning rates of groups of their own, angular steps that
are held. The last two look at what the others changed.
"""

from __future__ import annotations

from grokscope.config import OptimizerConfig
from grokscope.model import Weights, in_scope
from grokscope.optimizers.angular import hold_angular_step_
from grokscope.optimizers.decay import WeightDecay
from grokscope.optimizers.rates import scale_updates_
from grokscope.optimizers.rule import Rule


class Update:
    """The update of all trained parameters.

    Arguments:
        config: of the optimizer.
        names: the parameters, as the rule has them.
        rule: the update rule of that config.
    """

    def __init__(self, config: OptimizerConfig, names: tuple[str, ...], rule: Rule) -> None:
        self._rule = rule
        self._decay = WeightDecay(config, names)
        self._rates = [(rate, in_scope(names, (group,))) for group, rate in config.group_rate]
        self._targets = config.angular_step
        self._angular = {group: in_scope(names, (group,)) for group, _ in config.angular_step}
        self._scales: dict[str, float] = {}
        """What the last update of each parameter was multiplied by, where angular steps are held."""
        self.looks_back = bool(self._rates or self._angular)
        """Whether `apply_` needs the weights as they were before it."""

    def apply_(self, weights: Weights, gradient: Weights, lr: float, before: Weights) -> None:
        """Change the weights, in place, and the gradient too where decay is a part of it.

        Arguments:
            weights: those that the rule has.
            gradient: the one that the rule reads.
            lr: the common learning rate of this step.
            before: a copy of the weights; only read if the update `looks_back`.
        """
        self._decay.apply_(weights, gradient, lr)
        self._rule.step(lr)
        if self._rates:
            scale_updates_(weights, before, self._rates)
        if self._angular:
            of_group = hold_angular_step_(weights, before, self._targets, self._angular)
            self._scales = {name: scale for group, scale in of_group.items() for name in self._angular[group]}

    def shrinkages(self, lr: float) -> dict[str, float]:
        """The share of each parameter that decoupled decay took away in the last step, at this learning rate."""
        return {name: share * self._scales.get(name, 1.0) for name, share in self._decay.shrinkages(lr).items()}
