"""Attention of rows to their own prefix: a few keys per query, found by index.

    s_j = q . k_j / sqrt(d_head);  a = softmax(s);  z = sum_j a_j v_j        (per head)

Keys and values of shared prefixes are stored once and looked up, so each query has its own short list of
keys. With 3 or 4 positions a head's products are far too small for matrix kernels: they are
element-wise products over [key, row, d_model], and sums over each head's coordinates are products with
the 0/1 matrix that says which coordinate belongs to which head.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine.linear import matmul_transposed


@dataclass(frozen=True, eq=False)
class Keys:
    """Where each query finds its keys in a table of rows: the first by look-up, the others in place.

    `index` [key, query] are the looked-up ones. `own` are consecutive table rows [(key query)] for the
    remaining keys, one for each query in its order; it may be empty.
    """

    index: Int[Tensor, "key query"]
    own: slice

    def gather(self, table: Float[Tensor, "row d"]) -> Float[Tensor, "key query d"]:
        """The rows that each query sees."""
        looked_up = F.embedding(self.index, table)
        own = table[self.own]
        if not len(own):
            return looked_up
        return torch.cat([looked_up, own.view(-1, self.index.shape[1], own.shape[1])])

    def scatter(self, grad: Float[Tensor, "key query d"], n_rows: int) -> Float[Tensor, "row d"]:
        """The transpose of `gather`; it adds in a fixed order on any number of threads."""
        split = self.index.shape[0]
        table = torch.ops.aten.embedding_dense_backward(grad[:split], self.index, n_rows, -1, False)
        table[self.own] += grad[split:].flatten(0, 1)
        return table


def head_indicator(n_heads: int, d_head: int, like: Tensor) -> Float[Tensor, "head d_model"]:
    """1 where a coordinate of the joined heads belongs to the head, else 0."""
    return torch.eye(n_heads, dtype=like.dtype, device=like.device).repeat_interleave(d_head, dim=1)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, keys: Keys, n_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        scale = 1 / sqrt(q.shape[1] // n_heads)
        heads = head_indicator(n_heads, q.shape[1] // n_heads, q)
        k_seen, v_seen = keys.gather(k), keys.gather(v)
        scores = _sum_heads(k_seen * q, heads).mul_(scale)
        pattern = torch.softmax(scores, dim=0)  # [key, query, head]
        z = (v_seen * _spread_heads(pattern, heads)).sum(0)
        ctx.save_for_backward(q, k_seen, v_seen, pattern, heads)
        ctx.keys, ctx.n_rows, ctx.scale = keys, k.shape[0], scale
        ctx.mark_non_differentiable(scores, pattern)
        return z, scores, pattern

    @staticmethod
    def backward(ctx, dz: Tensor, _scores: Tensor, _pattern: Tensor):  # type: ignore[override]
        q, k_seen, v_seen, pattern, heads = ctx.saved_tensors
        d_v_seen = _spread_heads(pattern, heads).mul_(dz)
        d_pattern = _sum_heads(v_seen * dz, heads)
        d_scores = torch.ops.aten._softmax_backward_data(d_pattern, pattern, 0, pattern.dtype).mul_(ctx.scale)
        d_scores = _spread_heads(d_scores, heads)
        dq = (k_seen * d_scores).sum(0)
        d_k_seen = d_scores.mul_(q)
        return dq, ctx.keys.scatter(d_k_seen, ctx.n_rows), ctx.keys.scatter(d_v_seen, ctx.n_rows), None, None


def _sum_heads(x: Float[Tensor, "key query d_model"], heads: Tensor) -> Float[Tensor, "key query head"]:
    return matmul_transposed(x.flatten(0, 1), heads).unflatten(0, x.shape[:2])


def _spread_heads(x: Float[Tensor, "key query head"], heads: Tensor) -> Float[Tensor, "key query d_model"]:
    return matmul_transposed(x.flatten(0, 1), heads.T).unflatten(0, x.shape[:2])


def attend(
    q: Float[Tensor, "query d_model"],
    k: Float[Tensor, "row d_model"],
    v: Float[Tensor, "row d_model"],
    keys: Keys,
    n_heads: int,
) -> tuple[Float[Tensor, "query d_model"], Float[Tensor, "key query head"], Float[Tensor, "key query head"]]:
    """Attention of every query to its keys, heads joined: (z, scores, pattern).

    Scores and pattern are for looking at: no gradient flows through them.
    """
    return _Attend.apply(q, k, v, keys, n_heads)  # type: ignore[no-any-return]
