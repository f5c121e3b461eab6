"""The coset null: how good the best partition into cosets is when the labels of elements mean nothing.

The score of a partition into k cosets for a function on n elements is

    z = ((1 - C) - (k-1)/(n-1)) / sd_k

with 1 - C the share of the function's variance that lies between the cosets, and the mean and standard deviation
that this share has for values without structure (`CosetPartitions.scores`).

A function's best score is the largest of a few hundred partitions. It is compared with the best scores of the same
functions under random relabellings of the elements, f(pi(g)), for which the cosets are random partitions of the same
sizes; they are pooled over the units of one table, and the threshold is their upper quantile. Where labels
mean nothing, as in an untrained network, a unit and its relabellings have one distribution, so that it exceeds the
threshold with probability alpha. (Units of one network share its labels: how many exceed it together varies more than
independent ones would.) Source: Westfall and Young 1993, chapter 2 (the largest statistic under permutation).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.cosets.partitions import ROUNDING, CosetPartitions

ALPHA = 0.01
RELABELLINGS = 8
"""At least; more for few units, so that there are at least VALUES values."""
VALUES = 4096
AT_ONCE = 8192
"""Relabelled functions held at a time."""


def is_above(
    scores: Float[np.ndarray, " unit"], threshold: float | Float[np.ndarray, " unit"]
) -> Bool[np.ndarray, " unit"]:
    """Whether scores exceed a threshold, or each its own, by more than rounding; False for NaN."""
    # With few elements every relabelling may have the same score.
    return scores > threshold + ROUNDING * np.maximum(threshold, 1.0)


def threshold(partitions: CosetPartitions, f: Float[Tensor, "element unit"], draws: int, alpha: float = ALPHA) -> float:
    """The score that the best partition of a unit without structure exceeds with probability `alpha`.

    Arguments:
        f: functions on the group, none of them constant.
        draws: number of relabellings.
    """
    pis = relabellings(partitions.n, draws)
    at_once = max(AT_ONCE // f.shape[1], 1)
    values = [
        partitions.scores(partitions.between(f, pis[start : start + at_once])).amax(0)
        for start in range(0, draws, at_once)
    ]
    largest = torch.cat(values).sort().values
    rank = math.ceil((1 - alpha) * (len(largest) + 1))
    return float(largest[min(rank, len(largest)) - 1])


def draws_for(units: int) -> int:
    """How many relabellings a table of that many units needs."""
    return max(RELABELLINGS, math.ceil(VALUES / max(units, 1)))


@lru_cache(maxsize=8)
def relabellings(order: int, draws: int, seed: int = 0) -> Int[np.ndarray, "draw element"]:
    """Random permutations of the elements of a group, the same whenever they are asked for."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(order) for _ in range(draws)])
