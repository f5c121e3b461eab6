"""Layers of a network laid out as calls: each adds its own to a program, and returns what adds its backward pass.

A forward pass leaves in place what its backward pass reads; gradients of parameters are written where they belong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from grokscope.config.model import Activation
from grokscope.engine.compiled import activations, columns, norms
from grokscope.engine.compiled.program import Program


@dataclass(frozen=True, eq=False)
class Sum:
    """The stream as a sum that has not been added up: residual[own] + update + bias."""

    residual: Tensor
    own: np.ndarray
    update: Tensor
    bias: str | None


@dataclass(frozen=True, eq=False)
class Normed:
    """The stream before and after a LayerNorm; the same memory in a network that has none."""

    total: Tensor
    normed: Tensor
    backward: Callable[[Tensor, Tensor | None, int, Tensor], None]
    """Of (d_normed, gradient of the branch, where it leaves, where d_total is written)."""


def norm(program: Program, name: str, stream: Sum | Tensor, *, exists: bool) -> Normed:
    """The stream added up, and its LayerNorm of the given name."""
    total = stream if isinstance(stream, Tensor) else stream.update
    n, d = total.shape
    like = total[0]
    parameters = program.parameters
    bias_name = None if isinstance(stream, Tensor) else stream.bias
    d_bias = parameters.d_vector(bias_name, like)
    if isinstance(stream, Sum) and not exists:
        program.loop(norms.add, stream.residual, stream.own, total, parameters.vector(bias_name, like), total)
    if not exists:

        def plain_backward(d_normed: Tensor, d_branch: Tensor | None, branch: int, d_total: Tensor) -> None:
            if branch == norms.BRANCH_NONE:
                program.loop(columns.column_sums, d_normed, d_bias)
                assert d_total is d_normed
            else:
                assert d_branch is not None
                program.loop(norms.add_backward, d_normed, d_branch, d_total, d_bias)

        return Normed(total, total, plain_backward)

    gain, shift = parameters.vector(name + ".w", like), parameters.vector(name + ".b", like)
    normed, inverse, mean = program.empty(n, d), program.empty(n), program.empty(n)
    if isinstance(stream, Sum):
        bias = parameters.vector(bias_name, like)
        program.loop(
            norms.add_and_normalise,
            stream.residual, stream.own, total, bias, gain, shift, total, normed, inverse, mean,
        )  # fmt: skip
    else:
        program.loop(norms.normalise, total, gain, shift, normed, inverse, mean)

    def backward(d_normed: Tensor, d_branch: Tensor | None, branch: int, d_total: Tensor) -> None:
        d_gain, d_shift = parameters.d_vector(name + ".w", like), parameters.d_vector(name + ".b", like)
        program.loop(
            norms.normalise_backward,
            d_normed, d_normed if d_branch is None else d_branch, branch,
            total, inverse, mean, gain, d_total, d_gain, d_shift, d_bias,
        )  # fmt: skip

    return Normed(total, normed, backward)


def mlp(program: Program, name: str, kind: Activation, x: Tensor) -> tuple[Tensor, Callable[[Tensor, Tensor], None]]:
    """W_out act(W_in x + b_in), without b_out, which is added with the residual; backward of (d_out, d_x to write)."""
    parameters = program.parameters
    w_in, w_out = parameters.matrix(name + ".W_in"), parameters.matrix(name + ".W_out")
    n, d_mlp = len(x), w_in.shape[1]
    pre = program.empty(n, d_mlp)
    bias = parameters.vector(name + ".b_in", pre[0])
    out = program.empty(n, w_out.shape[1])
    program.multiply(x, w_in, pre)
    post, act_backward = pre, activations.relu_backward
    if kind == "relu":
        program.loop(activations.relu, pre, bias)
    elif kind in activations.GATES:
        if program.has_backward:
            post, act_backward = program.empty(n, d_mlp), activations.slope_backward
            program.loop(activations.gated, pre, bias, *activations.GATES[kind], post)
        else:
            program.loop(activations.gated_alone, pre, bias, *activations.GATES[kind])
    elif program.has_backward:
        post, act_backward = program.empty(n, d_mlp), activations.slope_backward
        program.loop(activations.gelu if kind == "gelu" else activations.quadratic, pre, bias, post)
    else:
        program.loop(activations.gelu_alone if kind == "gelu" else activations.quadratic_alone, pre, bias)
    program.multiply(post, w_out, out)

    def backward(d_out: Tensor, d_x: Tensor) -> None:
        d_post = program.scratch("d_post", n, d_mlp)
        program.multiply(post.T, d_out, parameters.d_matrix(name + ".W_out"))
        program.multiply(d_out, w_out.T, d_post)
        program.loop(act_backward, d_post, pre, parameters.d_vector(name + ".b_in", pre[0]))
        program.multiply(x.T, d_post, parameters.d_matrix(name + ".W_in"))
        program.multiply(d_post, w_in.T, d_x)

    return out, backward


def add_bias(program: Program, name: str, x: Tensor) -> None:
    """x += bias, where there is one."""
    if program.parameters.has(name):
        program.loop(columns.add_bias, x, program.parameters.vector(name, x[0]))


def sum_bias(program: Program, name: str, dx: Tensor) -> None:
    """The gradient of a bias that was added to every row, where there is one."""
    if program.parameters.has(name):
        program.loop(columns.column_sums, dx, program.parameters.d_vector(name, dx[0]))
