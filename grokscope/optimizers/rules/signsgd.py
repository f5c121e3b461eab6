"""SignSGD: the sign of the gradient, without momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.optimizers.rule import Rule

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("signsgd")
class SignSGD(OptimizerConfig):
    """SignSGD, which has no settings of its own."""

    def build(self, parameters: FlatParameters) -> SignRule:
        return SignRule(self, parameters)


class SignRule(Rule):
    """w <- w - lr * sign(g), with sign(0) = 0; it remembers nothing.

    Source: Bernstein et al. 2018, "signSGD: compressed optimisation for non-convex problems", algorithm 1.
    """

    def __init__(self, config: SignSGD, parameters: FlatParameters) -> None:
        super().__init__(config)
        self._parameters = parameters

    def step(self, lr: float) -> None:
        self._parameters.vector.detach().add_(self._parameters.gradient.sign(), alpha=-lr)
