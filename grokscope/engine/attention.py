"""Attention of rows to their own prefix: a few keys per query, found by index.

    s_j = q . k_j / sqrt(d_head);  a = softmax(s);  z = sum_j a_j v_j        (per head)

Keys and values of shared prefixes are stored once and looked up, so each query has its own short list of
keys. With 3 or 4 positions a head's products are far too small for matrix kernels: they are
element-wise products and sums over [key, query, head, d_head], keys first, so that every operand is
contiguous and a query is broadcast by repeating one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine.gather import add_rows, rows


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
        looked_up = rows(table, self.index)
        own = table[self.own]
        if not len(own):
            return looked_up
        return torch.cat([looked_up, own.view(-1, self.index.shape[1], own.shape[1])])

    def scatter(self, grad: Float[Tensor, "key query d"], n_rows: int) -> Float[Tensor, "row d"]:
        """The transpose of `gather`; it adds in a fixed order on any number of threads."""
        split = self.index.shape[0]
        table = add_rows(grad[:split], self.index, n_rows)
        table[self.own] += grad[split:].flatten(0, 1)
        return table


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, keys: Keys, n_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        heads = (n_heads, q.shape[1] // n_heads)
        k_seen, v_seen = keys.gather(k), keys.gather(v)
        scores = (k_seen * q).unflatten(-1, heads).sum(-1).mul_(1 / sqrt(heads[1]))
        pattern = torch.softmax(scores, dim=0)  # [key, query, head]
        z = (v_seen.unflatten(-1, heads) * pattern[..., None]).sum(0).flatten(1)
        ctx.save_for_backward(q, k_seen, v_seen, pattern)
        ctx.keys, ctx.n_rows, ctx.heads = keys, k.shape[0], heads
        ctx.mark_non_differentiable(scores, pattern)
        return z, scores, pattern

    @staticmethod
    def backward(ctx, dz: Tensor, _scores: Tensor, _pattern: Tensor):  # type: ignore[override]
        q, k_seen, v_seen, pattern = ctx.saved_tensors
        heads = ctx.heads
        d_v_seen = (pattern[..., None] * dz.unflatten(-1, heads)).flatten(2)
        d_pattern = (v_seen * dz).unflatten(-1, heads).sum(-1)
        d_scores = torch.ops.aten._softmax_backward_data(d_pattern, pattern, 0, pattern.dtype)
        d_scores = d_scores.mul_(1 / sqrt(heads[1]))[..., None]
        dq = (k_seen.unflatten(-1, heads) * d_scores).sum(0).flatten(1)
        d_k_seen = (d_scores * q.unflatten(-1, heads)).flatten(2)
        return dq, ctx.keys.scatter(d_k_seen, ctx.n_rows), ctx.keys.scatter(d_v_seen, ctx.n_rows), None, None


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
