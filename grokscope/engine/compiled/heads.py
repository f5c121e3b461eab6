"""Attention of a layer laid out as calls: in the first layer, in those between, and in the last.

Each returns what attention adds to the stream, without b_O, and its backward pass: from the gradient of that sum to
the gradient of the rows that came in. Where a layer's queries are some of its rows only, so is the gradient of the
residual.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.compiled import attention
from grokscope.engine.compiled.layers import add_bias, sum_bias
from grokscope.engine.compiled.plan import Queries
from grokscope.engine.compiled.program import Program

Backward = Callable[[Tensor, Tensor], None]
"""Of (gradient of the output, where to write that of the input)."""


class TokenValues:
    """Queries, keys and values of unigrams, the values with W_O applied: what a row mixes is a sum over heads of these.

    Arguments:
        program: where the calls are added.
        config: the architecture.
        name: of the attention layer.
        x: the unigrams.
        values: where the values are written, [row of a head, d_model], heads of a row side by side.
    """

    def __init__(self, program: Program, config: ModelConfig, name: str, x: Tensor, values: Tensor) -> None:
        self._program, self._name, self._x = program, name, x
        n = len(x)
        heads = (config.n_heads, config.head_width)
        self._parts = parts_of_heads(config)
        self._w_o = program.parameters.matrix(f"{name}.W_O")
        q, k, self._v = (program.empty(n, config.all_heads) for _ in range(3))
        for letter, out in zip("QKV", (q, k, self._v), strict=True):
            program.multiply(x, program.parameters.matrix(f"{name}.W_{letter}"), out)
        add_bias(program, name + ".b_Q", q)
        add_bias(program, name + ".b_V", self._v)
        self.q, self.k = q.unflatten(1, heads), k.unflatten(1, heads)
        self.values = values
        by_head = values.unflatten(0, (n, config.n_heads))
        for head, part in enumerate(self._parts):
            program.multiply(self._v[:, part], self._w_o[part], by_head[:, head])

    def backward(self, dq: Tensor, dk: Tensor, d_values: Tensor, dx: Tensor) -> None:
        """From the gradients of queries, keys and values to those of the weights and, written into dx, of unigrams."""
        program, name = self._program, self._name
        dv = program.scratch("dv of unigrams", *self._v.shape)
        by_head = d_values.unflatten(0, (len(self._v), -1))
        d_w_o = program.parameters.d_matrix(f"{name}.W_O")
        for head, part in enumerate(self._parts):
            program.multiply(self._v[:, part].T, by_head[:, head], d_w_o[part])
            program.multiply(by_head[:, head], self._w_o[part].T, dv[:, part])
        dq, dk = dq.flatten(1), dk.flatten(1)
        sum_bias(program, name + ".b_Q", dq)
        sum_bias(program, name + ".b_V", dv)
        _zero_bias(program, name + ".b_K")
        _sum_of_products(program, name, self._x, {"Q": dq, "K": dk, "V": dv}, dx)


def first(
    program: Program, config: ModelConfig, name: str, x: Tensor, queries: Queries
) -> tuple[Tensor, Callable[[Tensor, Tensor, Tensor], None]]:
    """From a table of unigrams to rows. W_O is applied to the values of unigrams, of which there are few.

    Its backward pass also writes, into the third argument, the gradient of the residual: summed over the rows that
    start from each unigram.
    """
    n, d = x.shape
    values = TokenValues(program, config, name, x, program.empty(n * config.n_heads, d))
    program.n_shared_calls = len(program.calls)
    pattern, out = program.empty(len(queries.keys), config.n_heads), program.empty(len(queries.own), d)
    program.loop(
        attention.attend_output, values.q, queries.own, values.k, values.values, program.zeros(n, d),
        queries.starts, queries.keys, pattern, out,
    )  # fmt: skip

    def backward(d_out: Tensor, dx: Tensor, d_residual: Tensor) -> None:
        dq, dk, d_values = (torch.empty_like(value) for value in (values.q, values.k, values.values))
        program.loop(
            attention.attend_output_backward, d_out, values.q, queries.own, values.k, values.values, queries.starts,
            queries.keys, pattern, program.scratch("d_pattern", queries.most_keys, config.n_heads),
            dq, dk, d_values, d_residual,
        )  # fmt: skip
        values.backward(dq, dk, d_values, dx)

    return out, backward


def between(program: Program, config: ModelConfig, name: str, x: Tensor, queries: Queries) -> tuple[Tensor, Backward]:
    """From all rows to all rows."""
    parameters, heads = program.parameters, (config.n_heads, config.head_width)
    n, width = len(x), config.all_heads
    w = {letter: parameters.matrix(f"{name}.W_{letter}") for letter in "QKVO"}
    (q, k, v, z), out = (program.empty(n, width) for _ in range(4)), program.empty(*x.shape)
    for letter, of_rows in zip("QKV", (q, k, v), strict=True):
        program.multiply(x, w[letter], of_rows)
    add_bias(program, name + ".b_Q", q)
    pattern = program.empty(len(queries.keys), config.n_heads)
    inputs = [q.unflatten(1, heads), queries.own, k.unflatten(1, heads), v.unflatten(1, heads)]
    bias = parameters.vector(name + ".b_V", q[0]).view(heads)
    program.loop(attention.attend, *inputs, bias, queries.starts, queries.keys, pattern, z.unflatten(1, heads))
    program.multiply(z, w["O"], out)

    def backward(d_out: Tensor, dx: Tensor) -> None:
        dz, dq, dk, dv = (program.scratch(f"d{letter} of rows", n, width) for letter in "zqkv")
        program.multiply(z.T, d_out, parameters.d_matrix(f"{name}.W_O"))
        program.multiply(d_out, w["O"].T, dz)
        program.loop(
            attention.attend_backward, dz.unflatten(1, heads), *inputs, queries.starts, queries.keys, pattern,
            program.scratch("scores", queries.most_keys),
            dq.unflatten(1, heads), dk.unflatten(1, heads), dv.unflatten(1, heads),
        )  # fmt: skip
        sum_bias(program, name + ".b_Q", dq)
        sum_bias(program, name + ".b_V", dz)  # the weights of a query sum to one
        _zero_bias(program, name + ".b_K")
        _sum_of_products(program, name, x, {"Q": dq, "K": dk, "V": dv}, dx)

    return out, backward


def last(program: Program, config: ModelConfig, name: str, x: Tensor, queries: Queries) -> tuple[Tensor, Backward]:
    """From all rows to the last ones, which hold the answers. W_K and W_V are applied to the few that ask."""
    parameters = program.parameters
    d, n_heads, n = x.shape[1], config.n_heads, len(queries.own)
    w = {letter: parameters.matrix(f"{name}.W_{letter}") for letter in "QKVO"}
    own = x[len(x) - n :]
    parts = parts_of_heads(config)
    (q, z), out = (program.empty(n, config.all_heads) for _ in range(2)), program.empty(n, d)
    asked, mixed = program.empty(n, n_heads, d), program.empty(n, n_heads, d)
    program.multiply(own, w["Q"], q)
    add_bias(program, name + ".b_Q", q)
    for head, part in enumerate(parts):
        program.multiply(q[:, part], w["K"][:, part].T, asked[:, head])
    pattern = program.empty(len(queries.keys), n_heads)
    program.loop(attention.attend_absorbed, asked, config.head_width, x, queries.starts, queries.keys, pattern, mixed)
    for head, part in enumerate(parts):
        program.multiply(mixed[:, head], w["V"][:, part], z[:, part])
    add_bias(program, name + ".b_V", z)
    program.multiply(z, w["O"], out)

    def backward(d_out: Tensor, dx: Tensor) -> None:
        dq, dz = (program.scratch(f"d{letter} of answers", n, config.all_heads) for letter in "qz")
        d_own = program.scratch("d_own of answers", n, d)
        d_asked, d_mixed = (program.scratch(f"d_{name}", n, n_heads, d) for name in ("asked", "mixed"))
        program.multiply(z.T, d_out, parameters.d_matrix(f"{name}.W_O"))
        program.multiply(d_out, w["O"].T, dz)
        sum_bias(program, name + ".b_V", dz)
        for head, part in enumerate(parts):
            program.multiply(mixed[:, head].T, dz[:, part], parameters.d_matrix(f"{name}.W_V")[:, part])
            program.multiply(dz[:, part], w["V"][:, part].T, d_mixed[:, head])
        program.add(dx.zero_)
        program.loop(
            attention.attend_absorbed_backward, d_mixed, asked, config.head_width, x, queries.starts, queries.keys,
            pattern, program.scratch("scores", queries.most_keys), d_asked, dx,
        )  # fmt: skip
        for head, part in enumerate(parts):
            program.multiply(d_asked[:, head].T, q[:, part], parameters.d_matrix(f"{name}.W_K")[:, part])
            program.multiply(d_asked[:, head], w["K"][:, part], dq[:, part])
        sum_bias(program, name + ".b_Q", dq)
        _zero_bias(program, name + ".b_K")
        program.multiply(own.T, dq, parameters.d_matrix(f"{name}.W_Q"))
        program.multiply(dq, w["Q"].T, d_own)
        program.add(dx[len(x) - n :].add_, d_own)

    return out, backward


def parts_of_heads(config: ModelConfig) -> list[slice]:
    """Where each head is among the columns of queries, keys and values of all heads."""
    width = config.head_width
    return [slice(head * width, (head + 1) * width) for head in range(config.n_heads)]


def _sum_of_products(program: Program, name: str, x: Tensor, gradients: dict[str, Tensor], dx: Tensor) -> None:
    """Gradients of weights that x was multiplied with, and dx, the sum of what comes back through each."""
    part = program.scratch("part of dx", *x.shape)
    for i, (letter, d) in enumerate(gradients.items()):
        weight = f"{name}.W_{letter}"
        program.multiply(x.T, d, program.parameters.d_matrix(weight))
        program.multiply(d, program.parameters.matrix(weight).T, part if i else dx)
        if i:
            program.add(dx.add_, part)


def _zero_bias(program: Program, name: str) -> None:
    """Softmax does not see b_K."""
    if program.parameters.has(name):
        program.add(program.parameters.d_vector(name, program.empty(0)).zero_)
