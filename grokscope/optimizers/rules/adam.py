"""Adam and AdamW, those of torch.optim.

They differ in what weight decay is: L2 in the gradient for Adam, decoupled for AdamW.
Sources: Kingma & Ba 2015, "Adam"; Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import averaging_pair, positive
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.optimizers.vector_rule import VectorRule

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("adam")
class Adam(OptimizerConfig):
    """Adam."""

    OWN_DECAY = "l2"
    RULE_DECAYS = True

    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients of the gradient and of its square."""
    eps: float = 1e-8
    """epsilon of Adam: what is added to the root of the average of squares that a step is divided by."""

    def check(self) -> None:
        averaging_pair("optimizer.betas", self.betas)
        positive("optimizer.eps", self.eps)

    def build(self, parameters: FlatParameters) -> AdamRule:
        return AdamRule(self, parameters)


@declare_optimizer("adamw")
class AdamW(Adam):
    """AdamW."""

    OWN_DECAY = "decoupled"


class AdamRule(VectorRule):
    """Adam or AdamW on all parameters, by torch's kernels."""

    MOMENTS = ("exp_avg", "exp_avg_sq")

    def __init__(self, config: Adam, parameters: FlatParameters) -> None:
        super().__init__(config, parameters)
        self._step = self.vector.new_zeros(()).float()
        """How many steps have been taken, as torch's kernels count them."""

    def step(self, lr: float) -> None:
        from torch.optim.adam import adam

        (b1, b2), moments = self.config.betas, self.moments
        adam(
            [self.vector], [self.gradient], [moments["exp_avg"]], [moments["exp_avg_sq"]], [], [self._step],
            fused=True, decoupled_weight_decay=self.config.name == "adamw", amsgrad=False, maximize=False,
            beta1=b1, beta2=b2, lr=lr, weight_decay=self.config.rule_decay, eps=self.config.eps,
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {"0.step": self._step, **super().tensors()}
