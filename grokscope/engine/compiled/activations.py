"""Bias and activation of the MLP in one pass, with the derivative that the backward pass multiplies by.

As many columns are read and written as there are biases: rows may go on with something else.
"""

from __future__ import annotations

import math

import numpy as np

from grokscope.config.model import Activation
from grokscope.engine.compiled.scalars import gelu_and_slope, sigmoid_and_rest
from grokscope.jit import compiled

_GELU_NEW = 2.0 * math.sqrt(2.0 / math.pi)
GATES: dict[Activation, tuple[float, float]] = {"silu": (1.0, 0.0), "gelu_new": (_GELU_NEW, 0.044715 * _GELU_NEW)}
"""Activations x sigmoid(a x + b x^3) by their a and b; tanh(u) is 2 sigmoid(2 u) - 1."""


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
def gated(pre: np.ndarray, bias: np.ndarray, a: float, b: float, post: np.ndarray) -> None:
    """post = x sigmoid(a x + b x^3) for x = pre + bias;  pre becomes its slope. Arrays [row, neuron]."""
    kind = pre.dtype.type
    linear, cubic, three = kind(a), kind(b), kind(3)
    for row in range(pre.shape[0]):
        x, y = pre[row], post[row]
        for i in range(len(bias)):
            value = x[i] + bias[i]
            square = value * value
            share, rest = sigmoid_and_rest(value * (linear + cubic * square))
            y[i] = value * share
            x[i] = share + value * share * rest * (linear + three * cubic * square)


@compiled
def gated_alone(pre: np.ndarray, bias: np.ndarray, a: float, b: float) -> None:
    """pre becomes x sigmoid(a x + b x^3) for x = pre + bias."""
    linear, cubic = pre.dtype.type(a), pre.dtype.type(b)
    for row in range(pre.shape[0]):
        x = pre[row]
        for i in range(len(bias)):
            value = x[i] + bias[i]
            share, _ = sigmoid_and_rest(value * (linear + cubic * value * value))
            x[i] = value * share


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
