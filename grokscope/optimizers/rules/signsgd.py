"""SignSGD: the sign of the gradient, without momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.optimizers.vector_rule import VectorRule

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("signsgd")
class SignSGD(OptimizerConfig):
    """SignSGD, which has no settings of its own."""

    @property
    def kept_vectors(self) -> int:
        return 0

    def build(self, parameters: FlatParameters) -> SignRule:
        return SignRule(self, parameters)


class SignRule(VectorRule):
    """w <- w - lr * sign(g), with sign(0) = 0; it remembers nothing.

    Source: Bernstein et al. 2018, "signSGD: compressed optimisation for non-convex problems", algorithm 1.
    """

    def step(self, lr: float) -> None:
        self.vector.add_(self.gradient.sign(), alpha=-lr)
