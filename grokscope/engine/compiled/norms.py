"""Residual addition and LayerNorm in one pass over the rows, and the backward pass of both in another.

    total  = residual + update + bias
    normed = (total - mean) / sqrt(variance + EPS) * gain + shift

The backward pass returns the gradient of `total`, which is that of the residual, of the update and (summed over rows)
of the bias. Where the stream branches off before the norm or after it, the branch's gradient is added there.
"""

from __future__ import annotations

import numpy as np

from grokscope.config.model import Activation
from grokscope.engine.compiled.scalars import gelu_and_slope, sigmoid_and_rest
from grokscope.engine.layers import EPS
from grokscope.jit import compiled

BRANCH_NONE, BRANCH_BEFORE, BRANCH_AFTER = 0, 1, 2
"""Where the residual stream leaves: nowhere (the last norm), at `total`, or at `normed`."""


@compiled
def add(residual: np.ndarray, own: np.ndarray, update: np.ndarray, bias: np.ndarray, total: np.ndarray) -> None:
    """total = residual[own] + update + bias, rows [row, d_model]; total may be the update itself."""
    for row in range(len(own)):
        a, b, out = residual[own[row]], update[row], total[row]
        for i in range(len(bias)):
            out[i] = a[i] + b[i] + bias[i]


@compiled
def normalise(
    total: np.ndarray, gain: np.ndarray, shift: np.ndarray, normed: np.ndarray, inverse: np.ndarray, mean: np.ndarray
) -> None:
    """normed, and what the backward pass needs: mean and 1 / sqrt(variance + EPS) of each row."""
    d = len(gain)
    one, eps, share = total.dtype.type(1), total.dtype.type(EPS), total.dtype.type(1.0 / d)
    for row in range(total.shape[0]):
        x, out = total[row], normed[row]
        sum_ = total.dtype.type(0)
        for i in range(d):
            sum_ += x[i]
        centre = sum_ * share
        squares = total.dtype.type(0)
        for i in range(d):
            squares += (x[i] - centre) * (x[i] - centre)
        scale = one / np.sqrt(squares * share + eps)
        for i in range(d):
            out[i] = (x[i] - centre) * scale * gain[i] + shift[i]
        inverse[row], mean[row] = scale, centre


@compiled
def add_and_normalise(
    residual: np.ndarray,
    own: np.ndarray,
    update: np.ndarray,
    bias: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    total: np.ndarray,
    normed: np.ndarray,
    inverse: np.ndarray,
    mean: np.ndarray,
) -> None:
    """`add`, and `normalise` of each row while it is in the cache."""
    d = len(gain)
    one, eps, share = total.dtype.type(1), total.dtype.type(EPS), total.dtype.type(1.0 / d)
    for row in range(len(own)):
        a, b, x, out = residual[own[row]], update[row], total[row], normed[row]
        sum_ = total.dtype.type(0)
        for i in range(d):
            value = a[i] + b[i] + bias[i]
            x[i] = value
            sum_ += value
        centre = sum_ * share
        squares = total.dtype.type(0)
        for i in range(d):
            squares += (x[i] - centre) * (x[i] - centre)
        scale = one / np.sqrt(squares * share + eps)
        for i in range(d):
            out[i] = (x[i] - centre) * scale * gain[i] + shift[i]
        inverse[row], mean[row] = scale, centre


@compiled
def normalise_backward(
    d_normed: np.ndarray,
    d_branch: np.ndarray,
    branch: int,
    total: np.ndarray,
    inverse: np.ndarray,
    mean: np.ndarray,
    gain: np.ndarray,
    d_total: np.ndarray,
    d_gain: np.ndarray,
    d_shift: np.ndarray,
    d_bias: np.ndarray,
) -> None:
    """d_total, and the gradients of gain, shift and bias, which are written over; d_normed is overwritten."""
    d = len(gain)
    zero, share = total.dtype.type(0), total.dtype.type(1.0 / d)
    for i in range(d):
        d_gain[i] = d_shift[i] = d_bias[i] = zero
    for row in range(total.shape[0]):
        x, dy, out = total[row], d_normed[row], d_total[row]
        scale, centre = inverse[row], mean[row]
        if branch == BRANCH_AFTER:
            for i in range(d):
                dy[i] += d_branch[row, i]
        sum_, product = zero, zero
        for i in range(d):
            standard = (x[i] - centre) * scale
            d_gain[i] += dy[i] * standard
            d_shift[i] += dy[i]
            d_standard = dy[i] * gain[i]
            sum_ += d_standard
            product += d_standard * standard
        sum_ *= share
        product *= share
        if branch == BRANCH_BEFORE:
            for i in range(d):
                standard = (x[i] - centre) * scale
                value = (dy[i] * gain[i] - sum_ - standard * product) * scale + d_branch[row, i]
                out[i] = value
                d_bias[i] += value
        else:
            for i in range(d):
                standard = (x[i] - centre) * scale
                value = (dy[i] * gain[i] - sum_ - standard * product) * scale
                out[i] = value
                d_bias[i] += value


ACTIVATIONS: dict[Activation, int] = {"gelu": 0, "relu": 1, "quadratic": 2, "gelu_new": 3, "silu": 3}
"""The number by which a loop is told the activation, or that it is one of `activations.GATES`."""
_GELU, _RELU, _GATED = ACTIVATIONS["gelu"], ACTIVATIONS["relu"], ACTIVATIONS["silu"]


@compiled
def normalise_neurons(
    mixed: np.ndarray,
    of_gain: np.ndarray,
    of_shift: np.ndarray,
    kind: int,
    a: float,
    b: float,
    total: np.ndarray,
    post: np.ndarray,
) -> None:
    """The first columns of `mixed` go to `total`; of the others, the norm of `total` and the activation make `post`.

    post = act(scale * (mixed - mean * of_gain) + of_shift), act being that of `ACTIVATIONS`, with the numbers a and b
    of `activations.GATES` where it is one of those.
    """
    d, d_mlp = total.shape[1], post.shape[1]
    zero, one = total.dtype.type(0), total.dtype.type(1)
    eps, share = total.dtype.type(EPS), total.dtype.type(1.0 / d)
    linear, cubic = total.dtype.type(a), total.dtype.type(b)
    for row in range(total.shape[0]):
        x, neurons, y, out = mixed[row, :d], mixed[row, d:], total[row], post[row]
        sum_ = zero
        for i in range(d):
            y[i] = x[i]
            sum_ += x[i]
        centre = sum_ * share
        squares = zero
        for i in range(d):
            squares += (x[i] - centre) * (x[i] - centre)
        scale = one / np.sqrt(squares * share + eps)
        if kind == _GELU:
            for i in range(d_mlp):
                out[i], _ = gelu_and_slope(scale * (neurons[i] - centre * of_gain[i]) + of_shift[i])
        elif kind == _RELU:
            for i in range(d_mlp):
                value = scale * (neurons[i] - centre * of_gain[i]) + of_shift[i]
                out[i] = zero if value <= zero else value
        elif kind == _GATED:
            for i in range(d_mlp):
                value = scale * (neurons[i] - centre * of_gain[i]) + of_shift[i]
                gate, _ = sigmoid_and_rest(value * (linear + cubic * value * value))
                out[i] = value * gate
        else:
            for i in range(d_mlp):
                value = scale * (neurons[i] - centre * of_gain[i]) + of_shift[i]
                out[i] = value * value


@compiled
def add_backward(d_normed: np.ndarray, d_branch: np.ndarray, d_total: np.ndarray, d_bias: np.ndarray) -> None:
    """The backward pass in a network without LayerNorm: d_total = d_normed + d_branch; d_bias is its sum over rows."""
    for i in range(len(d_bias)):
        d_bias[i] = 0
    for row in range(d_total.shape[0]):
        dy, branch, out = d_normed[row], d_branch[row], d_total[row]
        for i in range(len(d_bias)):
            value = dy[i] + branch[i]
            out[i] = value
            d_bias[i] += value
