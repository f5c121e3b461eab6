"""One block of the network on the rows that are needed, forward and backward.

    x = LN1(stream)        residual = x (normed) or stream (pre_ln)
    mid = residual + attention(x)
    out = mid + MLP(LN2(mid))        (mid itself in a network of attention only)

Layer 0 attends from a table of unigrams to rows, later layers from rows to rows; the last layer answers
for the last position alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.attention import attend
from grokscope.engine.gather import RowIndex, add_rows_, rows
from grokscope.engine.layers import EPS, Backward, Gradients, activation, layer_norm, linear, products
from grokscope.engine.prefixes import Batch, Queries
from grokscope.model import Weights

Tap = Callable[[str, Callable[[], Tensor]], None]
"""Receives the name of an activation and how to compute it at the answer rows."""


def block(
    config: ModelConfig, weights: Weights, layer: int, stream: Float[Tensor, "row d_model"], batch: Batch, tap: Tap
) -> tuple[Float[Tensor, "needed_row d_model"], Backward]:
    """The stream after a layer at the rows that later ones need, and its backward pass."""
    name = f"blocks.{layer}."
    groups = (batch.last,) if layer == config.n_layers - 1 else batch.queries
    own, answer_own = _own_rows(groups, layer), _own_rows((batch.last,), layer)

    tap(name + "hook_resid_pre", lambda: rows(stream, answer_own))
    normed, norm1_backward = normalised(config, weights, name + "ln1", stream, tap, answer_own)
    residual = normed if config.residual == "normed" else stream

    def bias(parameter: str) -> str | None:
        return name + parameter if config.biases else None

    # In layer 0 queries come from the same few unigrams as keys and values; later, from fewer rows than those.
    kv_names = {f"{name}attn.W_{which}": bias(f"attn.b_{which}") for which in "KV"}
    q_name = f"{name}attn.W_Q"
    if layer == 0:
        (k, v, q_table), kvq_backward = products(weights, {**kv_names, q_name: bias("attn.b_Q")}, normed)
        q = rows(q_table, own)
    else:
        (k, v), kv_backward = products(weights, kv_names, normed)
        q, q_backward = linear(weights, q_name, bias("attn.b_Q"), rows(normed, own))
    sequences = [group.unigrams if layer == 0 else group.prefixes for group in groups]
    z, scores, pattern, attention_backward = attend(q, k, v, sequences, config.n_heads)
    attn_out, attn_out_backward = linear(weights, name + "attn.W_O", bias("attn.b_O"), z)
    mid = rows(residual, own) + attn_out

    answer = slice(-batch.last.unigrams.keys.shape[1], None)
    heads = (config.n_heads, config.head_width)
    tap(name + "attn.hook_q", lambda: q[answer].unflatten(-1, heads))
    tap(name + "attn.hook_k", lambda: rows(k, answer_own).unflatten(-1, heads))
    tap(name + "attn.hook_v", lambda: rows(v, answer_own).unflatten(-1, heads))
    tap(name + "attn.hook_attn_scores", lambda: scores.permute(1, 2, 0))
    tap(name + "attn.hook_pattern", lambda: pattern.permute(1, 2, 0))
    tap(name + "attn.hook_z", lambda: z[answer].unflatten(-1, heads))
    tap(name + "hook_attn_out", lambda: attn_out[answer])
    out, mlp_backward = (mid, _unchanged) if config.attention_only else _mlp(config, weights, name, mid, tap, answer)
    tap(name + "hook_resid_post", lambda: out[answer])

    def backward(d_out: Tensor, grads: Gradients) -> Tensor:
        d_mid = mlp_backward(d_out, grads)
        dq, dk, dv = attention_backward(attn_out_backward(d_mid, grads))
        if layer == 0:
            dq_table = torch.zeros_like(q_table)
            add_rows_(dq_table, own, dq)
            d_normed = kvq_backward([dk, dv, dq_table], grads)
        else:
            d_normed = kv_backward([dk, dv], grads)
            add_rows_(d_normed, own, q_backward(dq, grads))
        if config.residual == "normed":
            add_rows_(d_normed, own, d_mid)
            return norm1_backward(d_normed, grads)
        d_stream = norm1_backward(d_normed, grads)
        add_rows_(d_stream, own, d_mid)
        return d_stream

    return out, backward


def _mlp(
    config: ModelConfig,
    weights: Weights,
    name: str,
    mid: Float[Tensor, "row d_model"],
    tap: Tap,
    answer: slice,
) -> tuple[Float[Tensor, "row d_model"], Backward]:
    """mid + MLP(LN2(mid))."""

    def bias(parameter: str) -> str | None:
        return name + parameter if config.biases else None

    tap(name + "hook_resid_mid", lambda: mid[answer])
    mlp_in, norm2_backward = normalised(config, weights, name + "ln2", mid, tap, answer)
    pre, pre_backward = linear(weights, name + "mlp.W_in", bias("mlp.b_in"), mlp_in)
    post, activation_backward = activation(config.activation, pre)
    mlp_out, mlp_out_backward = linear(weights, name + "mlp.W_out", bias("mlp.b_out"), post)
    tap(name + "mlp.hook_pre", lambda: pre[answer])
    tap(name + "mlp.hook_post", lambda: post[answer])
    tap(name + "hook_mlp_out", lambda: mlp_out[answer])

    def backward(d_out: Tensor, grads: Gradients) -> Tensor:
        d_mlp_in = pre_backward(activation_backward(mlp_out_backward(d_out, grads)), grads)
        return norm2_backward(d_mlp_in, grads).add_(d_out)

    return mid + mlp_out, backward


def _unchanged(d_out: Tensor, grads: Gradients) -> Tensor:
    return d_out


def normalised(
    config: ModelConfig,
    weights: Weights,
    name: str,
    x: Float[Tensor, "row d_model"],
    tap: Tap,
    answer: RowIndex = slice(None),
) -> tuple[Float[Tensor, "row d_model"], Backward]:
    """x after a LayerNorm, or x itself in a network that has none."""
    if config.normalization == "none":
        return x, lambda dy, grads: dy

    def scale() -> Tensor:
        return (rows(x, answer).var(-1, correction=0, keepdim=True) + EPS).sqrt()

    tap(name + ".hook_scale", scale)
    tap(name + ".hook_normalized", lambda: (rows(x, answer) - rows(x, answer).mean(-1, keepdim=True)) / scale())
    return layer_norm(weights, name, x)


def _own_rows(groups: tuple[Queries, ...], layer: int) -> RowIndex:
    """Where, in the stream before a layer, the rows that attend in it find themselves."""
    if layer > 0:
        return slice(groups[0].rows.start, groups[-1].rows.stop)
    # In layer 0 that is the unigram that a row ends with.
    own = [group.unigrams.keys[-group.unigrams.n_positions :].flatten() for group in groups]
    return own[0] if len(own) == 1 else torch.cat(own)
