"""The head of the network alone: from the last layer's residual stream to the logits and their losses, for changed
activations.

`Engine` evaluates whole networks. An analysis that takes something away from an activation needs the rest of the
network again, and nothing before it.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.layers import EPS
from grokscope.model import Weights


def unembedded(
    config: ModelConfig, weights: Weights, resid_post: Float[Tensor, "*row d_model"]
) -> Float[Tensor, "*row d_vocab_out"]:
    """Logits from the last layer's residual stream: final norm and unembedding, in the precision of resid_post."""
    x = resid_post
    if config.normalization == "LN":
        gain, bias = weights["ln_final.w"].to(x.dtype), weights["ln_final.b"].to(x.dtype)
        x = F.layer_norm(x, x.shape[-1:], gain, bias, EPS)
    return x @ weights["unembed.W_U"].to(x.dtype) + weights["unembed.b_U"].to(x.dtype)


def cross_entropies(logits: Float[Tensor, "*row d_vocab_out"], labels: Int[Tensor, "*row"]) -> Float[Tensor, "*row"]:
    """The cross-entropy of every row, in nats and in float64, for rows in any number of dimensions.

    In float32 a loss below 1e-7 is rounded to 0: 1 + exp(-20) is 1 there.
    """
    return F.cross_entropy(logits.flatten(0, -2).double(), labels.flatten(), reduction="none").view(labels.shape)
