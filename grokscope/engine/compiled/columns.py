"""Biases: added to rows, and summed up from the gradients of rows."""

from __future__ import annotations

import numpy as np

from grokscope.jit import compiled


@compiled
def add_bias(x: np.ndarray, bias: np.ndarray) -> None:
    """x += bias, for every row."""
    for row in range(x.shape[0]):
        for i in range(len(bias)):
            x[row, i] += bias[i]


@compiled
def column_sums(x: np.ndarray, sums: np.ndarray) -> None:
    """sums = the sum of x over rows, in their order."""
    for i in range(len(sums)):
        sums[i] = 0
    for row in range(x.shape[0]):
        for i in range(len(sums)):
            sums[i] += x[row, i]
