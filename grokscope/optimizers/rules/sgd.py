"""Stochastic gradient descent with momentum.

    b <- momentum b + g + weight_decay w,    w <- w - lr b

Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in the form that
`torch.optim` gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import number
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.optimizers.vector_rule import VectorRule

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("sgd")
class SGD(OptimizerConfig):
    """SGD."""

    OWN_DECAY = "l2"
    RULE_DECAYS = True

    momentum: float = 0.0
    """Weight of the last step in this one."""

    def check(self) -> None:
        number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)

    @property
    def kept_vectors(self) -> int:
        return 1

    def build(self, parameters: FlatParameters) -> MomentumRule:
        return MomentumRule(self, parameters)


class MomentumRule(VectorRule):
    """Gradient descent on all parameters; without momentum, b is the gradient of the step."""

    MOMENTS = ("momentum_buffer",)

    def step(self, lr: float) -> None:
        buffer = self.moments["momentum_buffer"]
        buffer.mul_(self.config.momentum).add_(self.gradient).add_(self.vector, alpha=self.config.rule_decay)
        self.vector.add_(buffer, alpha=-lr)
