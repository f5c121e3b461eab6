"""A network of one layer without LayerNorm and biases, in fewer operations: everything linear is applied to tokens.

With x the embedding of a token, a the attention of a row, and A = x W_V W_O for each head,

    pre    = (x + sum_j a_j A_j) W_in             = x W_in + sum_j a_j (A_j W_in)
    logits = (x + sum_j a_j A_j + act(pre) W_out) W_U
           = x W_U + sum_j a_j (A_j W_U) + act(pre) (W_out W_U)

so W_in and W_U are multiplied with the tokens and their values, of which there are a few hundred, instead of with the
thousands of rows, and W_out W_U, which is narrower than W_out and W_U one after the other, with the rows. x and the A
of all heads lie in one table, W_in and W_U in one matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.compiled import activations, attention
from grokscope.engine.compiled.heads import TokenValues
from grokscope.engine.compiled.plan import Queries
from grokscope.engine.compiled.program import Program

ALIGNED = 32
"""Rows of the wide tables are as long as a multiple of so many numbers, with zeros at their ends: loops over them then
have no remainder, and every row starts at a cache line."""


def applies(config: ModelConfig, n_unigrams: int, n_rows: int) -> bool:
    """Whether a network has this form, and there are at least as many rows as values of tokens, so that it pays."""
    linear = config.n_layers == 1 and config.normalization == "none" and not config.biases and not config.unembed_bias
    return (
        linear
        and not config.attention_only
        and config.activation == "relu"
        and n_unigrams * (config.n_heads + 1) <= n_rows
    )


class FoldedLayer:
    """Logits of the rows that `queries` names, from the embedding of unigrams, and the gradient of both.

    Arguments:
        program: where the calls are added.
        config: the architecture.
        table: memory for the values of unigrams of every head, followed by their embedding, which is there already.
        queries: the rows.
        logits: where they are written.
    """

    def __init__(self, program: Program, config: ModelConfig, table: Tensor, queries: Queries, logits: Tensor) -> None:
        self._program, self._table, self._queries, self._logits = program, table, queries, logits
        parameters, d_mlp = program.parameters, config.d_mlp
        self._d_mlp, n = d_mlp, len(table) // (config.n_heads + 1)
        self._n_values = n * config.n_heads
        self._values = TokenValues(program, config, "blocks.0.attn", table[self._n_values :], table[: self._n_values])
        self._w_in, self._w_out = parameters.matrix("blocks.0.mlp.W_in"), parameters.matrix("blocks.0.mlp.W_out")
        self._w_u = parameters.matrix("unembed.W_U")
        d_model, n_out = self._w_u.shape
        width = -(-(d_mlp + n_out) // ALIGNED) * ALIGNED
        self._both = program.zeros(d_model, width)
        program.add(self._both[:, :d_mlp].copy_, self._w_in)
        self._logits_part = slice(d_mlp, d_mlp + n_out)
        program.add(self._both[:, self._logits_part].copy_, self._w_u)
        self._wide_table = program.empty(len(table), width)
        program.multiply(table, self._both, self._wide_table)
        self._last = program.empty(d_mlp, n_out)
        program.multiply(self._w_out, self._w_u, self._last)
        program.n_shared_calls = len(program.calls)

        n_rows = len(queries.own)
        self._wide = program.empty(n_rows, width)
        """Of every row: pre, which becomes post, and what attention adds to the logits."""
        self._pattern = program.empty(len(queries.keys), config.n_heads)
        program.loop(
            attention.attend_output, self._values.q, queries.own, self._values.k, self._wide_table[: self._n_values],
            self._wide_table[self._n_values :], queries.starts, queries.keys, self._pattern, self._wide,
        )  # fmt: skip
        self._post = self._wide[:, :d_mlp]
        program.loop(activations.relu, self._wide, program.zeros(d_mlp))
        program.multiply(self._post, self._last, logits)
        program.add(logits.add_, self._wide[:, self._logits_part])

    def backward(self, d_logits: Tensor) -> Tensor:
        """Add the backward pass; returns where it writes the gradient of the embedding."""
        program, d_mlp, queries, values = self._program, self._d_mlp, self._queries, self._values
        parameters = program.parameters
        d_last, d_both = program.empty(*self._last.shape), program.empty(*self._both.shape)
        d_wide, d_wide_table = program.zeros(*self._wide.shape), program.empty(*self._wide_table.shape)
        program.multiply(self._post.T, d_logits, d_last)
        program.multiply(d_logits, self._last.T, d_wide[:, :d_mlp])
        program.add(d_wide[:, self._logits_part].copy_, d_logits)
        program.loop(activations.relu_backward, d_wide, self._wide, program.empty(d_mlp))
        dq, dk = torch.empty_like(values.q), torch.empty_like(values.k)
        program.loop(
            attention.attend_output_backward, d_wide, values.q, queries.own, values.k,
            self._wide_table[: self._n_values], queries.starts, queries.keys, self._pattern,
            program.scratch("d_pattern", queries.most_keys, self._pattern.shape[1]), dq, dk,
            d_wide_table[: self._n_values], d_wide_table[self._n_values :],
        )  # fmt: skip
        d_table = program.empty(*self._table.shape)
        program.multiply(self._table.T, d_wide_table, d_both)
        program.multiply(d_wide_table, self._both.T, d_table)
        d_w_in, d_w_u = parameters.d_matrix("blocks.0.mlp.W_in"), parameters.d_matrix("unembed.W_U")
        program.add(d_w_in.copy_, d_both[:, :d_mlp])
        program.multiply(d_last, self._w_u.T, parameters.d_matrix("blocks.0.mlp.W_out"))
        program.multiply(self._w_out.T, d_last, d_w_u)
        program.add(d_w_u.add_, d_both[:, self._logits_part])
        d_embedded = program.empty(len(self._table) - self._n_values, self._table.shape[1])
        values.backward(dq, dk, d_table[: self._n_values], d_embedded)
        program.add(d_embedded.add_, d_table[self._n_values :])
        return d_embedded
