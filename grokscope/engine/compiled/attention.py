"""Attention of a query to its few keys: scores, softmax and mixture in one pass, and the backward pass in another.

    s_j = q . k_j / sqrt(d_head);    a = softmax(s);    z = sum_j a_j v_j        (per head)

Query i sees the keys `keys[starts[i] : starts[i + 1]]`, rows of a table, and its own vector is row `own[i]` of a
table of queries. Loops run in one order on one thread, so that sums into the tables do not depend on the number of
threads.

`attend`            keys and values of each head, [row, head, d_head]: the layers between the first and the last.
`attend_absorbed`   W_K is absorbed into the query, s_j = (W_K q) . x_j, and W_V comes after mixing,
                    z = W_V sum_j a_j x_j: the rows x themselves are keys and values of every head. The last layer,
                    where only the answers ask.
`attend_output`     W_O is in the values already, [row, head, d_model], and heads are summed up: the first layer, where
                    few distinct tokens answer many rows.

b_K adds the same to all scores of a query, which softmax does not see: it is left out, and its gradient is zero.
"""

from __future__ import annotations

import math

import numpy as np

from grokscope.engine.compiled.scalars import exp_minus
from grokscope.jit import compiled

Array = np.ndarray


@compiled
def attend(
    q: Array, own: Array, k: Array, v: Array, bias: Array, starts: Array, keys: Array, pattern: Array, z: Array
) -> None:
    """z = b_V + sum_j a_j v_j; pattern [key of a query, head]."""
    n_heads, d_head = bias.shape
    scale = z.dtype.type(1.0 / math.sqrt(d_head))
    for query in range(len(own)):
        start, stop = starts[query], starts[query + 1]
        for head in range(n_heads):
            a, out, shift = q[own[query], head], z[query, head], bias[head]
            largest = z.dtype.type(-np.inf)
            for j in range(start, stop):
                b = k[keys[j], head]
                score = z.dtype.type(0)
                for i in range(d_head):
                    score += a[i] * b[i]
                score *= scale
                pattern[j, head] = score
                largest = max(largest, score)
            total = z.dtype.type(0)
            for j in range(start, stop):
                weight = exp_minus(largest - pattern[j, head])
                pattern[j, head] = weight
                total += weight
            for i in range(d_head):
                out[i] = shift[i]
            for j in range(start, stop):
                weight = pattern[j, head] / total
                pattern[j, head] = weight
                value = v[keys[j], head]
                for i in range(d_head):
                    out[i] += weight * value[i]


@compiled
def attend_backward(
    dz: Array,
    q: Array,
    own: Array,
    k: Array,
    v: Array,
    starts: Array,
    keys: Array,
    pattern: Array,
    scratch: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """dq, dk and dv are written over; scratch has room for the keys of a query."""
    n_heads, d_head = dz.shape[1], dz.shape[2]
    scale = dz.dtype.type(1.0 / math.sqrt(d_head))
    dq[:] = 0
    dk[:] = 0
    dv[:] = 0
    for query in range(len(own)):
        start, stop = starts[query], starts[query + 1]
        for head in range(n_heads):
            d, a, da = dz[query, head], q[own[query], head], dq[own[query], head]
            mean = dz.dtype.type(0)
            for j in range(start, stop):
                value, d_value = v[keys[j], head], dv[keys[j], head]
                weight = pattern[j, head]
                d_weight = dz.dtype.type(0)
                for i in range(d_head):
                    d_weight += d[i] * value[i]
                for i in range(d_head):
                    d_value[i] += weight * d[i]
                scratch[j - start] = d_weight
                mean += weight * d_weight
            for j in range(start, stop):
                d_score = pattern[j, head] * (scratch[j - start] - mean) * scale
                b, db = k[keys[j], head], dk[keys[j], head]
                for i in range(d_head):
                    da[i] += d_score * b[i]
                for i in range(d_head):
                    db[i] += d_score * a[i]


@compiled
def attend_absorbed(
    asked: Array, d_head: int, x: Array, starts: Array, keys: Array, pattern: Array, mixed: Array
) -> None:
    """mixed = sum_j a_j x_j for each head. asked = W_K q and mixed [query, head, d_model]; x [row, d_model]."""
    n_queries, n_heads, d_model = asked.shape
    scale = x.dtype.type(1.0 / math.sqrt(d_head))
    for query in range(n_queries):
        start, stop = starts[query], starts[query + 1]
        for head in range(n_heads):
            a, out = asked[query, head], mixed[query, head]
            largest = x.dtype.type(-np.inf)
            for j in range(start, stop):
                b = x[keys[j]]
                score = x.dtype.type(0)
                for i in range(d_model):
                    score += a[i] * b[i]
                score *= scale
                pattern[j, head] = score
                largest = max(largest, score)
            total = x.dtype.type(0)
            for j in range(start, stop):
                weight = exp_minus(largest - pattern[j, head])
                pattern[j, head] = weight
                total += weight
            for i in range(d_model):
                out[i] = 0
            for j in range(start, stop):
                weight = pattern[j, head] / total
                pattern[j, head] = weight
                b = x[keys[j]]
                for i in range(d_model):
                    out[i] += weight * b[i]


@compiled
def attend_absorbed_backward(
    d_mixed: Array,
    asked: Array,
    d_head: int,
    x: Array,
    starts: Array,
    keys: Array,
    pattern: Array,
    scratch: Array,
    d_asked: Array,
    dx: Array,
) -> None:
    """d_asked is written over, dx is added to."""
    n_queries, n_heads, d_model = asked.shape
    scale = x.dtype.type(1.0 / math.sqrt(d_head))
    for query in range(n_queries):
        start, stop = starts[query], starts[query + 1]
        for head in range(n_heads):
            d, a, da = d_mixed[query, head], asked[query, head], d_asked[query, head]
            mean = x.dtype.type(0)
            for j in range(start, stop):
                b = x[keys[j]]
                d_weight = x.dtype.type(0)
                for i in range(d_model):
                    d_weight += d[i] * b[i]
                scratch[j - start] = d_weight
                mean += d_weight * pattern[j, head]
            for i in range(d_model):
                da[i] = 0
            for j in range(start, stop):
                weight = pattern[j, head]
                d_score = weight * (scratch[j - start] - mean) * scale
                b, db = x[keys[j]], dx[keys[j]]
                for i in range(d_model):
                    da[i] += d_score * b[i]
                for i in range(d_model):
                    db[i] += weight * d[i] + d_score * a[i]


@compiled
def attend_output(
    q: Array, own: Array, k: Array, v: Array, base: Array, starts: Array, keys: Array, pattern: Array, out: Array
) -> None:
    """out = base[own] + sum_head sum_j a_j v_j, of any width. v [row of a head, width], heads of a row side by side."""
    n_heads, d_head, width = k.shape[1], k.shape[2], v.shape[1]
    scale = out.dtype.type(1.0 / math.sqrt(d_head))
    for query in range(len(own)):
        start, stop = starts[query], starts[query + 1]
        for head in range(n_heads):
            a = q[own[query], head]
            largest = out.dtype.type(-np.inf)
            for j in range(start, stop):
                b = k[keys[j], head]
                score = out.dtype.type(0)
                for i in range(d_head):
                    score += a[i] * b[i]
                score *= scale
                pattern[j, head] = score
                largest = max(largest, score)
            total = out.dtype.type(0)
            for j in range(start, stop):
                weight = exp_minus(largest - pattern[j, head])
                pattern[j, head] = weight
                total += weight
            for j in range(start, stop):
                pattern[j, head] /= total
        y, first = out[query], base[own[query]]
        for i in range(width):
            y[i] = first[i]
        for j in range(start, stop):
            row, head = keys[j] * n_heads, 0
            # Four heads at a time: a sum is loaded and stored once for four multiplications.
            while head + 4 <= n_heads:
                v0, v1, v2, v3 = v[row + head], v[row + head + 1], v[row + head + 2], v[row + head + 3]
                w0, w1, w2, w3 = pattern[j, head], pattern[j, head + 1], pattern[j, head + 2], pattern[j, head + 3]
                for i in range(width):
                    y[i] += w0 * v0[i] + w1 * v1[i] + w2 * v2[i] + w3 * v3[i]
                head += 4
            while head < n_heads:
                value, weight = v[row + head], pattern[j, head]
                for i in range(width):
                    y[i] += weight * value[i]
                head += 1


@compiled
def attend_output_backward(
    d_out: Array,
    q: Array,
    own: Array,
    k: Array,
    v: Array,
    starts: Array,
    keys: Array,
    pattern: Array,
    scratch: Array,
    dq: Array,
    dk: Array,
    dv: Array,
    d_base: Array,
) -> None:
    """dq, dk, dv and d_base are written over; scratch has room for the keys of a query, [key, head]."""
    n_heads, d_head, width = k.shape[1], k.shape[2], v.shape[1]
    scale = d_out.dtype.type(1.0 / math.sqrt(d_head))
    dq[:] = 0
    dk[:] = 0
    dv[:] = 0
    d_base[:] = 0
    for query in range(len(own)):
        start, stop = starts[query], starts[query + 1]
        d, first = d_out[query], d_base[own[query]]
        for i in range(width):
            first[i] += d[i]
        for j in range(start, stop):
            for head in range(n_heads):
                value, d_value = v[keys[j] * n_heads + head], dv[keys[j] * n_heads + head]
                weight = pattern[j, head]
                d_weight = d_out.dtype.type(0)
                for i in range(width):
                    d_weight += d[i] * value[i]
                    d_value[i] += weight * d[i]
                scratch[j - start, head] = d_weight
        for head in range(n_heads):
            a, da = q[own[query], head], dq[own[query], head]
            mean = d_out.dtype.type(0)
            for j in range(start, stop):
                mean += pattern[j, head] * scratch[j - start, head]
            for j in range(start, stop):
                d_score = pattern[j, head] * (scratch[j - start, head] - mean) * scale
                b, db = k[keys[j], head], dk[keys[j], head]
                for i in range(d_head):
                    da[i] += d_score * b[i]
                for i in range(d_head):
                    db[i] += d_score * a[i]
