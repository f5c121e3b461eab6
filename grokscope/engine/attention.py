"""Attention of rows to their own prefix: a few keys per query, found by index.

    s_j = q . k_j / sqrt(d_head);  a = softmax(s);  z = sum_j a_j v_j        (per head)

Keys and values of shared prefixes are stored once, in a table of rows. On a CPU, compiled loops read them
where they lie (see `kernels`); elsewhere they are gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine import kernels
from grokscope.engine.gather import add_rows_
from grokscope.engine.prefixes import Sequences
from grokscope.jit import loops_serve

AttendBackward = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def attend(
    q: Float[Tensor, "query heads"],
    k: Float[Tensor, "row heads"],
    v: Float[Tensor, "row heads"],
    sequences: Sequence[Sequences],
    n_heads: int,
) -> tuple[
    Float[Tensor, "query heads"], Float[Tensor, "key last head"], Float[Tensor, "key last head"], AttendBackward
]:
    """Attention, heads joined.

    Arguments:
        q: queries, in the order of `sequences`, and of the positions of each that attend.
        k, v: a table of rows.
        sequences: whose positions attend, and which rows of the table hold their keys.
        n_heads: into how many parts queries, keys and values are split.

    Returns z, scores and pattern of the last position of the last sequences, and the backward pass
    dz -> (dq, dk, dv).
    """
    heads = (n_heads, q.shape[1] // n_heads)
    q, k, v = (x.detach().unflatten(1, heads) for x in (q, k, v))
    loops = _InPlace if loops_serve(q) else _Gathered
    z = torch.empty_like(q)
    parts: list[tuple[Tensor, slice, Tensor, Tensor]] = []
    for keys, here in _positions(sequences):
        scores = loops.scores(q[here], k, keys)
        pattern = torch.softmax(scores, dim=0)
        loops.mix(pattern, v, keys, z[here])
        parts.append((keys, here, scores, pattern))

    def backward(dz: Float[Tensor, "query heads"]) -> tuple[Tensor, Tensor, Tensor]:
        dz = dz.unflatten(1, heads)
        dq, dk, dv = torch.empty_like(dz), torch.zeros_like(k), torch.zeros_like(v)
        for keys, here, _, pattern in parts:
            d_pattern = loops.mix_backward(dz[here], v, keys, pattern, dv)
            d_scores = torch.ops.aten._softmax_backward_data(d_pattern, pattern, 0, pattern.dtype)
            loops.scores_backward(d_scores, q[here], k, keys, dq[here], dk)
        return dq.flatten(1), dk.flatten(1), dv.flatten(1)

    _, _, scores, pattern = parts[-1]
    return z.flatten(1), scores, pattern, backward


def _positions(sequences: Sequence[Sequences]) -> Iterator[tuple[Int[Tensor, "key query"], slice]]:
    """For every position that attends: the keys that it sees, and where its queries are."""
    start = 0
    for some in sequences:
        n_queries = some.keys.shape[1]
        for keys in some.seen():
            yield keys, slice(start, start + n_queries)
            start += n_queries


Query: TypeAlias = Float[Tensor, "query head d_head"]
Rows: TypeAlias = Float[Tensor, "row head d_head"]
Weight: TypeAlias = Float[Tensor, "key query head"]
Index: TypeAlias = Int[Tensor, "key query"]


class _InPlace:
    """Rows are read where they lie."""

    @staticmethod
    def scores(q: Query, k: Rows, keys: Index) -> Weight:
        out = q.new_empty((*keys.shape, q.shape[1]))
        kernels.scores(q.numpy(), k.numpy(), keys.numpy(), q.shape[2] ** -0.5, out.numpy())
        return out

    @staticmethod
    def scores_backward(d_scores: Weight, q: Query, k: Rows, keys: Index, dq: Query, dk: Rows) -> None:
        tensors = (x.numpy() for x in (d_scores, q, k, keys))
        kernels.scores_backward(*tensors, q.shape[2] ** -0.5, dq.numpy(), dk.numpy())

    @staticmethod
    def mix(pattern: Weight, v: Rows, keys: Index, z: Query) -> None:
        kernels.mix(pattern.numpy(), v.numpy(), keys.numpy(), z.numpy())

    @staticmethod
    def mix_backward(dz: Query, v: Rows, keys: Index, pattern: Weight, dv: Rows) -> Weight:
        d_pattern = torch.empty_like(pattern)
        kernels.mix_backward(*(x.numpy() for x in (dz, v, keys, pattern, d_pattern, dv)))
        return d_pattern


class _Gathered:
    """Rows are copied, [key, query, head, d_head]; for any device."""

    @staticmethod
    def scores(q: Query, k: Rows, keys: Index) -> Weight:
        return (q * k[keys]).sum(-1) * q.shape[2] ** -0.5

    @staticmethod
    def scores_backward(d_scores: Weight, q: Query, k: Rows, keys: Index, dq: Query, dk: Rows) -> None:
        d = d_scores[..., None] * q.shape[2] ** -0.5
        dq.copy_((d * k[keys]).sum(0))
        add_rows_(dk, keys.flatten(), (d * q).flatten(0, 1))

    @staticmethod
    def mix(pattern: Weight, v: Rows, keys: Index, z: Query) -> None:
        z.copy_((pattern[..., None] * v[keys]).sum(0))

    @staticmethod
    def mix_backward(dz: Query, v: Rows, keys: Index, pattern: Weight, dv: Rows) -> Weight:
        add_rows_(dv, keys.flatten(), (pattern[..., None] * dz).flatten(0, 1))
        return (v[keys] * dz).sum(-1)
