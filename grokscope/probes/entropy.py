"""Entropy of a gradient: as published, which depends on its scale, and without the scale.

    AGE(g)  = -sum_i |g_i| ln |g_i|                      absolute gradient entropy; 0 ln 0 = 0
    H(g)    = -sum_i p_i ln p_i,   p = |g| / ||g||_1     normalised, in nats; between 0 and ln(number of entries)
    N(g)    = exp H(g)                                   effective number of entries

AGE is not an entropy of anything normalised: AGE(s g) = s AGE(g) - s ln(s) ||g||_1, so that it falls towards 0
with the gradient whatever the gradient's shape. The two are tied by H = AGE / ||g||_1 + ln ||g||_1.
Source: Zhou et al. 2025 ("NeuralGrok"), eq. 4, natural logarithm.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log, nan

import torch
from jaxtyping import Float
from torch import Tensor


def absolute_entropy(x: Float[Tensor, "*shape"]) -> float:
    """AGE(x) = -sum |x| ln |x|, summed in float64. Of weights instead of gradients: absolute weight entropy."""
    return entropy_sums(x)[2]


def normalised_entropy(x: Float[Tensor, "*shape"]) -> float:
    """Entropy of |x| / sum |x| in nats; NaN for a tensor of zeros, which is no distribution."""
    l1, _, absolute = entropy_sums(x)
    return _normalised(absolute, l1)


def entropies(parts: Iterable[Float[Tensor, "..."]]) -> dict[str, float]:
    """All of them for some tensors taken as one vector.

    Returns: l1, l2 (norms), absolute_entropy, normalised_entropy (nats), effective_number; the last two are NaN
    where all entries are 0.
    """
    return entropy_of_sums(entropy_sums(part) for part in parts)


def entropy_sums(x: Float[Tensor, "*shape"]) -> tuple[float, float, float]:
    """What `entropies` adds up: sum |x|, sum x^2, -sum |x| ln |x|."""
    size = x.detach().double().abs()
    return float(size.sum()), float(size.square().sum()), -float(torch.special.xlogy(size, size).sum())


def entropy_of_sums(sums: Iterable[tuple[float, float, float]]) -> dict[str, float]:
    """`entropies` of the tensors whose `entropy_sums` are given."""
    l1, square, absolute = (sum(column) for column in zip(*sums, strict=True))
    normalised = _normalised(absolute, l1)
    return {
        "l1": l1,
        "l2": square**0.5,
        "absolute_entropy": absolute,
        "normalised_entropy": normalised,
        "effective_number": exp(normalised),
    }


def _normalised(absolute: float, l1: float) -> float:
    # Rounding can put the entropy of a single entry below 0.
    return max(0.0, absolute / l1 + log(l1)) if l1 > 0 else nan
