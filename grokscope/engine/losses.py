"""What is minimised: cross-entropy of softmax or of StableMax, of logits at a temperature.

    cross_entropy   -ln softmax(z / tau)_y
    stablemax       -ln (s(z_y / tau) / sum_j s(z_j / tau)),   s(x) = x + 1 for x >= 0, 1 / (1 - x) for x < 0

StableMax grows linearly instead of exponentially, so that float32 does not lose the smaller terms of its sum.
Source: Prieto et al. 2025 ("Grokking at the edge of numerical stability"), section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import LossConfig

Reduction = Literal["mean", "sum", "none"]
Loss = Callable[[Float[Tensor, "example answer"], Int[Tensor, "example"], Reduction], Tensor]


def cross_entropy(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction = "mean"
) -> Tensor:
    """-ln softmax(logits)[label], in nats."""
    return F.cross_entropy(logits, labels, reduction=reduction)


def cross_entropies(logits: Float[Tensor, "*row d_vocab_out"], labels: Int[Tensor, "*row"]) -> Float[Tensor, "*row"]:
    """The cross-entropy of every row, in nats, for rows in any number of dimensions."""
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)


def stablemax(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], reduction: Reduction = "mean"
) -> Tensor:
    """-ln (s(logits) / sum s(logits))[label], in nats."""
    # ln s(x) = sign(x) ln(1 + |x|)
    log_s = torch.where(logits >= 0, torch.log1p(logits.abs()), -torch.log1p(logits.abs()))
    return F.nll_loss(log_s - torch.logsumexp(log_s, 1, keepdim=True), labels, reduction=reduction)


def loss_function(config: LossConfig) -> Loss:
    """The loss that a config asks for."""
    loss = {"cross_entropy": cross_entropy, "stablemax": stablemax}[config.name]
    if config.temperature == 1.0:
        return loss
    return lambda logits, labels, reduction: loss(logits / config.temperature, labels, reduction)
