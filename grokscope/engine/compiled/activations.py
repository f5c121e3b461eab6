"""Bias and activation of the MLP in one pass, with the derivative that the backward pass multiplies by.

As many columns are read and written as there are biases: rows may go on with something else.
"""

from __future__ import annotations

import numpy as np

from grokscope.engine.compiled.scalars import gelu_and_slope
from grokscope.jit import compiled


@compiled
def gelu(pre: np.ndarray, bias: np.ndarray, post: np.ndarray) -> None:
    """post = gelu(pre + bias);  pre becomes gelu'(pre + bias). Arrays [row, neuron]."""
    for row in range(pre.shape[0]):
        x, y = pre[row], post[row]
        for i in range(len(bias)):
            y[i], x[i] = gelu_and_slope(x[i] + bias[i])


@compiled
def gelu_alone(pre: np.ndarray, bias: np.ndarray) -> None:
    """pre becomes gelu(pre + bias)."""
    for row in range(pre.shape[0]):
        x = pre[row]
        for i in range(len(bias)):
            x[i], _ = gelu_and_slope(x[i] + bias[i])


@compiled
def quadratic(pre: np.ndarray, bias: np.ndarray, post: np.ndarray) -> None:
    """post = (pre + bias)^2;  pre becomes the slope 2 (pre + bias). Arrays [row, neuron]."""
    for row in range(pre.shape[0]):
        x, y = pre[row], post[row]
        for i in range(len(bias)):
            value = x[i] + bias[i]
            y[i] = value * value
            x[i] = value + value


@compiled
def quadratic_alone(pre: np.ndarray, bias: np.ndarray) -> None:
    """pre becomes (pre + bias)^2."""
    for row in range(pre.shape[0]):
        x = pre[row]
        for i in range(len(bias)):
            value = x[i] + bias[i]
            x[i] = value * value


@compiled
def relu(pre: np.ndarray, bias: np.ndarray) -> None:
    """pre becomes post = max(0, pre + bias)."""
    zero = pre.dtype.type(0)
    for row in range(pre.shape[0]):
        x = pre[row]
        for i in range(len(bias)):
            value = x[i] + bias[i]
            x[i] = zero if value <= zero else value


@compiled
def relu_backward(d: np.ndarray, post: np.ndarray, sums: np.ndarray) -> None:
    """d becomes d where post is positive, and 0 elsewhere;  sums = its sum over rows."""
    zero = d.dtype.type(0)
    for i in range(len(sums)):
        sums[i] = 0
    for row in range(d.shape[0]):
        x, y = d[row], post[row]
        for i in range(len(sums)):
            value = x[i] if y[i] > zero else zero
            x[i] = value
            sums[i] += value


@compiled
def slope_backward(d: np.ndarray, slope: np.ndarray, sums: np.ndarray) -> None:
    """d becomes d * slope;  sums = its sum over rows."""
    for i in range(len(sums)):
        sums[i] = 0
    for row in range(d.shape[0]):
        x, y = d[row], slope[row]
        for i in range(len(sums)):
            value = x[i] * y[i]
            x[i] = value
            sums[i] += value
