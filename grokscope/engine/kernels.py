"""Attention of a query to a few rows of a table, compiled for the processor at hand.

A query sees 3 or 4 keys of d_head entries. In tensor operations that is dozens of passes over copies of the
rows; in a loop each row is read once, where it lies. Loops run in one order on one thread, so the sums into
`dk` and `dv` do not depend on the number of threads.

Shapes: queries [query, head, d_head]; tables [row, head, d_head]; index [key, query], the row of each key;
scores and patterns [key, query, head].
"""

from __future__ import annotations

import numpy as np

from grokscope.jit import compiled


@compiled
def scores(q: np.ndarray, k: np.ndarray, index: np.ndarray, scale: float, out: np.ndarray) -> None:
    """out = scale * q . k, per head."""
    n_keys, n_queries, n_heads = out.shape
    for query in range(n_queries):
        for key in range(n_keys):
            row = index[key, query]
            for head in range(n_heads):
                a, b = q[query, head], k[row, head]
                total = out.dtype.type(0)
                for i in range(len(a)):
                    total += a[i] * b[i]
                out[key, query, head] = total * scale


@compiled
def scores_backward(
    d_scores: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    index: np.ndarray,
    scale: float,
    dq: np.ndarray,
    dk: np.ndarray,
) -> None:
    """dq = scale * sum_key d_scores k;  dk[index] += scale * d_scores q."""
    n_keys, n_queries, n_heads = d_scores.shape
    for query in range(n_queries):
        for head in range(n_heads):
            a, da = q[query, head], dq[query, head]
            for i in range(len(a)):
                da[i] = 0
            for key in range(n_keys):
                row = index[key, query]
                b, db = k[row, head], dk[row, head]
                d = dq.dtype.type(d_scores[key, query, head] * scale)  # float64 here would make the loops so
                for i in range(len(a)):
                    da[i] += d * b[i]
                for i in range(len(a)):
                    db[i] += d * a[i]


@compiled
def mix(pattern: np.ndarray, v: np.ndarray, index: np.ndarray, z: np.ndarray) -> None:
    """z = sum_key pattern v."""
    n_keys, n_queries, n_heads = pattern.shape
    for query in range(n_queries):
        for head in range(n_heads):
            out = z[query, head]
            for i in range(len(out)):
                out[i] = 0
            for key in range(n_keys):
                weight, value = pattern[key, query, head], v[index[key, query], head]
                for i in range(len(out)):
                    out[i] += weight * value[i]


@compiled
def mix_backward(
    dz: np.ndarray, v: np.ndarray, index: np.ndarray, pattern: np.ndarray, d_pattern: np.ndarray, dv: np.ndarray
) -> None:
    """d_pattern = dz . v, per head;  dv[index] += pattern dz."""
    n_keys, n_queries, n_heads = pattern.shape
    for query in range(n_queries):
        for key in range(n_keys):
            row = index[key, query]
            for head in range(n_heads):
                d, value, d_value = dz[query, head], v[row, head], dv[row, head]
                weight = pattern[key, query, head]
                total = pattern.dtype.type(0)
                for i in range(len(d)):
                    total += d[i] * value[i]
                for i in range(len(d)):
                    d_value[i] += weight * d[i]
                d_pattern[key, query, head] = total
