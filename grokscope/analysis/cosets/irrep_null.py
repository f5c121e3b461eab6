"""The irrep null: how well the best partition into cosets fits a function of one irrep that is otherwise random.

A function that lies in the span of one irrep fits some cosets better than a relabelled function fits any: the span of
the standard irrep of S_n contains the functions on the cosets of every point stabiliser, and in n = 4 one direction in
nine is such a function. So nearly every neuron of a network that computes by irreps beats random partitions
(`coset_null`), whether or not it computes by cosets. This null asks for more. For f with the largest share of its
variance in rho, it draws

    h = sum_i x_i b_i,     b_i the orthonormal basis of the span of rho, x_i independent and standard normal,

a random vector of rho's isotypic space, and takes the score of the best partition of h just as that of f. The threshold
is the upper alpha quantile over `DRAWS` draws: a function of rho that owes nothing to cosets is above it with
probability alpha. Where all functions of an irrep fit equally well, as those of a sign do, none is ever above it.

A neuron with some variance outside rho fits cosets less well than one without, so that for such neurons the test is
conservative, unless it is the other part that makes it a function on cosets.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.cosets.coset_null import ALPHA
from grokscope.analysis.cosets.partitions import CosetPartitions

DRAWS = 999


def own_irreps(
    partitions: CosetPartitions, f: Float[Tensor, "element unit"]
) -> tuple[Int[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """The irrep with the largest share of each function's variance, by its place in the group, and that share."""
    shares = partitions.group.power(f.numpy())
    own = shares.argmax(axis=0)
    return own, shares[own, np.arange(shares.shape[1])]


def best_scores(
    partitions: CosetPartitions, f: Float[Tensor, "element unit"]
) -> tuple[Int[Tensor, " unit"], Float[Tensor, " unit"], Float[Tensor, " unit"]]:
    """The best partition of each function, the share of variance between its cosets, and its score."""
    between = partitions.between(f)
    scores = partitions.scores(between)
    best = partitions.best(between, scores)
    return best, between.gather(0, best[None])[0], scores.gather(0, best[None])[0]


@lru_cache(maxsize=256)
def irrep_threshold(partitions: CosetPartitions, irrep: int, alpha: float = ALPHA, seed: int = 0) -> float:
    """The score that the best partition of a random function of an irrep exceeds with probability `alpha`.

    Arguments:
        irrep: a non-trivial one, by its place in the group's list.
        seed: of the draws.
    """
    functions = partitions.group.irreps[irrep].basis()
    drawn = functions @ np.random.default_rng(seed).normal(size=(functions.shape[1], DRAWS))
    _, _, scores = best_scores(partitions, torch.from_numpy(drawn))
    rank = math.ceil((1 - alpha) * (DRAWS + 1))
    return float(scores.sort().values[min(rank, DRAWS) - 1])


def irrep_thresholds(partitions: CosetPartitions, irreps: Int[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """The threshold of each unit's irrep."""
    of_irrep = {irrep: irrep_threshold(partitions, irrep) for irrep in np.unique(irreps).tolist()}
    return np.array([of_irrep[irrep] for irrep in irreps.tolist()], dtype=np.float64)
