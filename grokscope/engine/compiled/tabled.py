"""Evaluation of a first layer whose rows are more than the values of its tokens: W_in is applied to those values.

A row of the stream after attention is a sum over entries t of a table, t = base[own] + sum_j a_j v_j, of which each
belongs to a token (see `heads`). LayerNorm is linear but for the mean m and the scale s of a row: with gain g, shift h,

    pre = s (t - m) g W_in + h W_in + b_in = s (sum_j a_j (v_j g W_in) - m (g W_in)) + (h W_in + b_in)

and the table is multiplied with g W_in once, instead of every row. With a backward pass this does not pay: the
gradient of the table needs two products of its own size.
"""

from __future__ import annotations

import torch

from grokscope.config import ModelConfig
from grokscope.engine.compiled import activations, attention, norms
from grokscope.engine.compiled.heads import TokenValues
from grokscope.engine.compiled.layers import Normed, Sum
from grokscope.engine.compiled.plan import Index, Queries
from grokscope.engine.compiled.program import Program


def applies(config: ModelConfig, n_unigrams: int, n_rows: int) -> bool:
    """Whether a first layer has a LayerNorm before its MLP, and more rows than values of tokens."""
    has_norm = config.normalization == "LN" and not config.attention_only
    return has_norm and n_unigrams * (config.n_heads + 1) <= n_rows


def first_block(program: Program, config: ModelConfig, ln1: Normed, queries: Queries, rows: Index) -> Sum:
    """The stream after the first block, from the table of unigrams, without a backward pass.

    Arguments:
        ln1: the unigrams before and after the first norm.
        queries: the rows.
        rows: 0, 1, 2, ..., one for each.
    """
    parameters, (n, d), d_mlp = program.parameters, ln1.total.shape, config.d_mlp
    n_values = n * config.n_heads
    table = program.empty(n_values + n, d)
    values = TokenValues(program, config, "blocks.0.attn", ln1.normed, table[:n_values])
    base = ln1.normed if config.residual == "normed" else ln1.total
    program.add(torch.add, base, parameters.vector("blocks.0.attn.b_O", base[0]), out=table[n_values:])

    name, w_in = "blocks.0.mlp", parameters.matrix("blocks.0.mlp.W_in")
    gain, shift = (parameters.vector(f"blocks.0.ln2.{letter}", base[0]) for letter in "wb")
    scaled, wide = program.empty(d, d_mlp), program.empty(n_values + n, d + d_mlp)
    of_gain, of_shift = program.empty(1, d_mlp), program.empty(1, d_mlp)
    program.add(torch.mul, w_in, gain[:, None], out=scaled)
    program.multiply(gain[None], w_in, of_gain)
    program.multiply(shift[None], w_in, of_shift)
    program.add(of_shift.add_, parameters.vector(f"{name}.b_in", of_shift[0]))
    program.add(wide[:, :d].copy_, table)
    program.multiply(table, scaled, wide[:, d:])
    program.n_shared_calls = len(program.calls)

    n_rows = len(queries.own)
    pattern, mixed = program.empty(len(queries.keys), config.n_heads), program.empty(n_rows, d + d_mlp)
    total, post, out = program.empty(n_rows, d), program.empty(n_rows, d_mlp), program.empty(n_rows, d)
    program.loop(
        attention.attend_output, values.q, queries.own, values.k, wide[:n_values], wide[n_values:],
        queries.starts, queries.keys, pattern, mixed,
    )  # fmt: skip
    kind, gate = norms.ACTIVATIONS[config.activation], activations.GATES.get(config.activation, (0.0, 0.0))
    program.loop(norms.normalise_neurons, mixed, of_gain[0], of_shift[0], kind, *gate, total, post)
    program.multiply(post, parameters.matrix(f"{name}.W_out"), out)
    return Sum(total, rows[:n_rows], out, f"{name}.b_out")
