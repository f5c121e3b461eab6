"""Lion: the sign of an average of the gradient.

    w <- (1 - lr weight_decay) w - lr sign(b1 m + (1 - b1) g),    m <- b2 m + (1 - b2) g

with sign(0) = 0.
Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import averaging_pair
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.optimizers.vector_rule import VectorRule

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("lion")
class Lion(OptimizerConfig):
    """Lion."""

    OWN_DECAY = "decoupled"
    RULE_DECAYS = True

    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients: of the gradient in a step, and in the average that is kept."""

    def check(self) -> None:
        averaging_pair("optimizer.betas", self.betas)

    @property
    def kept_vectors(self) -> int:
        return 1

    def build(self, parameters: FlatParameters) -> LionRule:
        return LionRule(self, parameters)


class LionRule(VectorRule):
    """Lion on all parameters: a compiled loop on a CPU, operations of torch elsewhere."""

    MOMENTS = ("exp_avg",)

    def step(self, lr: float) -> None:
        from grokscope.jit import loops_serve

        (b1, b2), decay = self.config.betas, self.config.rule_decay
        w, g, m = self.vector, self.gradient, self.moments["exp_avg"]
        if loops_serve(w):
            from grokscope.optimizers.loops import lion

            lion(w.numpy(), g.numpy(), m.numpy(), lr, decay, b1, b2)
            return
        update = m.mul(b1).add_(g, alpha=1 - b1).sign_()
        w.mul_(1 - lr * decay).add_(update, alpha=-lr)
        m.mul_(b2).add_(g, alpha=1 - b2)
