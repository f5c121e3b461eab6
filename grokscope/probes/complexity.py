"""Effective rank of weight matrices and of the matrix products that a transformer is linear in.

    r(M) = exp(-sum_i p_i ln p_i),   p_i = sigma_i / sum_j sigma_j,   sigma the singular values of M

between 1 and min(shape): the exponential of the entropy of the normalised singular values.
Source: Roy and Vetterli 2007 ("The effective rank"); circuits: Elhage et al. 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from grokscope.model import Weights


@torch.no_grad()
def effective_rank(matrix: Float[Tensor, "m n"]) -> float:
    """exp of the entropy of the normalised singular values; NaN for a matrix of zeros."""
    singular = torch.linalg.svdvals(matrix.detach().double())
    total = float(singular.sum())
    if total == 0:
        return nan
    p = singular / total
    return float((-torch.special.xlogy(p, p).sum()).exp())


@torch.no_grad()
def circuits(weights: Weights, n_layers: int) -> Iterator[tuple[str, Float[Tensor, "m n"]]]:
    """Every weight matrix, and the products that act as one: (name, matrix).

    blocks.L.attn.QK.H    W_Q[h] W_K[h].T     [d_model, d_model], which scores are bilinear in
    blocks.L.attn.OV.H    W_V[h] W_O[h]       [d_model, d_model], what is moved where it attends
    blocks.L.mlp.out_U    W_out W_U           [d_mlp, answer], from neurons to logits, but for the final norm
    """
    for name in ("embed.W_E", "pos_embed.W_pos", "unembed.W_U"):
        yield name, weights[name]
    for layer in range(n_layers):
        attention, mlp = f"blocks.{layer}.attn", f"blocks.{layer}.mlp"
        w_q, w_k, w_v, w_o = (weights[f"{attention}.W_{which}"] for which in "QKVO")
        for head in range(w_q.shape[0]):
            yield f"{attention}.QK.{head}", w_q[head] @ w_k[head].T
            yield f"{attention}.OV.{head}", w_v[head] @ w_o[head]
        for which, weight in zip("QKV", (w_q, w_k, w_v), strict=True):
            yield f"{attention}.W_{which}", rearrange(weight, "head d_model d_head -> d_model (head d_head)")
        yield f"{attention}.W_O", rearrange(w_o, "head d_head d_model -> (head d_head) d_model")
        if f"{mlp}.W_in" in weights:
            yield f"{mlp}.W_in", weights[f"{mlp}.W_in"]
            yield f"{mlp}.W_out", weights[f"{mlp}.W_out"]
            yield f"{mlp}.out_U", weights[f"{mlp}.W_out"] @ weights["unembed.W_U"]
