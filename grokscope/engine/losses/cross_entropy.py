"""Cross-entropy of softmax: -ln softmax(z)_y."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.loss import LossConfig, Reduction, declare_loss

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@declare_loss("cross_entropy")
class CrossEntropy(LossConfig):
    """Cross-entropy of softmax."""

    def value(
        self, logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction
    ) -> Tensor:
        """-ln softmax(logits)[label], in nats."""
        return cross_entropy(logits, labels, reduction)


def cross_entropy(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction = "mean"
) -> Tensor:
    """-ln softmax(logits)[label], in nats."""
    import torch.nn.functional as F

    return F.cross_entropy(logits, labels, reduction=reduction)
