"""Softmax cross-entropy with its gradient in one pass over the logits.

loss = mean_i -ln softmax((z_i + b) / tau)[y_i];    d loss / d z_i = (softmax(...) - onehot(y_i)) / (tau n)
"""

from __future__ import annotations

import math

import numpy as np

from grokscope.engine.compiled.scalars import exp_minus
from grokscope.jit import compiled


@compiled
def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, temperature: float, d_logits: np.ndarray, losses: np.ndarray
) -> None:
    """losses of each row, in nats, and d_logits of their mean."""
    n, width = logits.shape
    kind = logits.dtype.type
    factor = kind(1.0 / temperature)
    share = kind(1.0 / (temperature * n))
    for row in range(n):
        z, d = logits[row], d_logits[row]
        largest = z[0]
        for i in range(width):
            largest = max(largest, z[i])
        total = kind(0)
        for i in range(width):
            d[i] = exp_minus((largest - z[i]) * factor)
            total += d[i]
        label = labels[row]
        losses[row] = (largest - z[label]) * factor + math.log(total)
        scale = share / total
        for i in range(width):
            d[i] *= scale
        d[label] -= share


@compiled
def losses_and_hits(
    logits: np.ndarray, labels: np.ndarray, temperature: float, losses: np.ndarray, hits: np.ndarray
) -> None:
    """losses of each row, in nats; hits is 1 for a row that is largest at its label first, and 0 for others.

    Sums are in float64, whatever the logits are in, so that small losses are not rounded to 0.
    """
    kind = logits.dtype.type
    factor = kind(1.0 / temperature)
    for row in range(len(labels)):
        z = logits[row]
        best = 0
        for i in range(1, len(z)):
            if z[i] > z[best]:
                best = i
        total = 0.0
        for i in range(len(z)):
            total += exp_minus((z[best] - z[i]) * factor)
        losses[row] = (float(z[best]) - float(z[labels[row]])) / temperature + math.log(total)
        hits[row] = 1.0 if best == labels[row] else 0.0
