"""Cross-entropy of StableMax, which grows linearly instead of exponentially.

    -ln (s(z_y) / sum_j s(z_j)),   s(x) = x + 1 for x >= 0, 1 / (1 - x) for x < 0

Float32 does not lose the smaller terms of its sum.
Source: Prieto et al. 2025 ("Grokking at the edge of numerical stability"), section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.loss import LossConfig, Reduction, declare_loss

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@declare_loss("stablemax")
class StableMax(LossConfig):
    """Cross-entropy of s(x) = x + 1 for x >= 0, 1 / (1 - x) below, instead of exp(x)."""

    def value(
        self, logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction
    ) -> Tensor:
        """-ln (s(logits) / sum s(logits))[label], in nats."""
        import torch

        # ln s(x) = sign(x) ln(1 + |x|)
        log_s = torch.where(logits >= 0, torch.log1p(logits.abs()), -torch.log1p(logits.abs()))
        return torch.nn.functional.nll_loss(
            log_s - torch.logsumexp(log_s, 1, keepdim=True), labels, reduction=reduction
        )
