"""Cross-entropy of softmax: -ln softmax(z)_y, or of a smoothed answer.

With smoothing s the answer counts as (1 - s) onehot(y) + s / n, n the number of logits:

    -(1 - s) ln softmax(z)_y - (s / n) sum_j ln softmax(z)_j

Source: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import number
from grokscope.config.loss import LossConfig, Reduction, declare_loss

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@declare_loss("cross_entropy")
class CrossEntropy(LossConfig):
    """Cross-entropy of softmax."""

    smoothing: float = 0.0
    """s: the share of the answer's weight that is spread evenly over all logits."""

    def check(self) -> None:
        number("loss.smoothing", self.smoothing, 0.0, 1.0, open_low=False, open_high=True)

    def value(
        self, logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction
    ) -> Tensor:
        """-ln softmax(logits)[label], in nats, of the smoothed answer."""
        return cross_entropy(logits, labels, reduction, self.smoothing)


def cross_entropy(
    logits: Float[Tensor, "example answer"],
    labels: Int[Tensor, "example"],
    reduction: Reduction = "mean",
    smoothing: float = 0.0,
) -> Tensor:
    """-ln softmax(logits)[label], in nats; with smoothing, of the smoothed answer."""
    import torch.nn.functional as F

    return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)
