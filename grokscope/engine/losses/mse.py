"""Mean squared error of the logits against the answer as one-hot: no softmax, and so no unit of information.

    mean_j (z_j - [j = y])^2,   j over all logits

Source: Gromov 2023, "Grokking modular arithmetic" (arXiv 2301.02679), where quadratic networks learn by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from grokscope.config.loss import LossConfig, Reduction, declare_loss

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@declare_loss("mse")
class MeanSquaredError(LossConfig):
    """Mean squared error of the logits against the answer as one-hot."""

    UNIT: ClassVar[str] = "squared error"

    def value(
        self, logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction
    ) -> Tensor:
        """mean_j (logits[j] - [j = label])^2 of each example, averaged (or summed) over examples."""
        import torch.nn.functional as F

        target = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        of_each = F.mse_loss(logits, target, reduction="none").mean(1)
        return {"none": lambda: of_each, "sum": of_each.sum, "mean": of_each.mean}[reduction]()
