"""What the logits say about the scale of the network: spread, margins, saturated losses, softmax collapse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine.loss import logit_std


@torch.no_grad()
def output_statistics(logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"]) -> dict[str, float]:
    """Means over examples, in the dtype of the logits where rounding is the point.

        logit_std       standard deviation of logits centred over the answers of each example
        margin          logit of the right answer minus the largest other (nats)
        entropy         of the predicted distribution (nats)
        zero_loss       share of examples whose cross-entropy is exactly 0
        collapse        share with sum_j exp(z_j - max z) == 1: softmax collapse, no gradient is left
                        (Prieto et al. 2025); counted whether or not the largest logit is the right one

    A single answer has no margin: it is inf.
    """
    right = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    log_p = torch.log_softmax(logits, 1)
    sums = (logits - logits.amax(1, keepdim=True)).exp().sum(1)
    return {
        "logit_std": logit_std(logits),
        "margin": float((right - others).double().mean()),
        "entropy": -float(torch.special.xlogy(log_p.exp(), log_p.exp()).sum(1).double().mean()),
        "zero_loss": float((F.nll_loss(log_p, labels, reduction="none") == 0).double().mean()),
        "collapse": float((sums == 1).double().mean()),
    }
