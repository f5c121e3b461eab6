"""Seeds drawn with replacement, together for all arms, and the median of every arm in each draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from grokscope.analysis.timing.kaplan_meier import ROUNDING
from grokscope.analysis.timing.outcomes import Outcomes

DRAWS = 5000


class Medians(NamedTuple):
    """The median of an arm in every draw, between two ends that are the same where it is reached."""

    low: Float[np.ndarray, " draw"]
    """What the median is, or exceeds."""
    high: Float[np.ndarray, " draw"]
    """Infinite where it is not reached."""


def shared_seeds(arms: Sequence[Outcomes]) -> Int[np.ndarray, " seed"]:
    """The seeds that every arm has a run of, increasing."""
    seeds = arms[0].seed
    for other in arms[1:]:
        seeds = np.intersect1d(seeds, other.seed)
    return np.sort(seeds)


def draw_seeds(seeds: int, draws: int, seed: int) -> Int[np.ndarray, "draw seed"]:
    """How often each seed is in each sample: once in the first, the sample itself; then as many drawn with replacement.

    Raises ValueError for draws < 1.
    """
    if draws < 1:
        raise ValueError(f"draws = {draws!r} is not accepted: use a number of resamples >= 1, such as {DRAWS}")
    drawn = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    return np.concatenate([np.ones((1, seeds), dtype=drawn.dtype), drawn])


def resampled_medians(runs: Outcomes, counts: Int[np.ndarray, "draw run"]) -> Medians:
    """The Kaplan-Meier median (as `medians` has it) of samples that hold each run so many times.

    scipy makes one curve at a time; here a curve of weights is made for all draws at once:

        S at the i-th time = product over j <= i of (1 - w_j e_j / sum of w_k for k >= j)

    with events before censored runs of the same time, as there.
    """
    order = np.lexsort((~runs.happened, runs.time))
    time, happened, weight = runs.time[order], runs.happened[order], counts[:, order]
    at_risk = weight[:, ::-1].cumsum(axis=1)[:, ::-1]
    survival = np.cumprod(np.where(happened, 1 - weight / np.maximum(at_risk, 1), 1.0), axis=1)
    drawn = np.where(weight > 0, time, -np.inf)
    last = drawn.max(axis=1)
    ends = [_first(time, survival <= 0.5 + ROUNDING), _first(time, survival < 0.5 - ROUNDING)]
    low = sum(np.minimum(end, last) for end in ends) / 2
    return Medians(np.asarray(low), (ends[0] + ends[1]) / 2)


def _first(time: Float[np.ndarray, " run"], reached: Bool[np.ndarray, "draw run"]) -> Float[np.ndarray, " draw"]:
    """The first time at which something holds in each draw; infinite where it never does."""
    return np.where(reached.any(axis=1), time[reached.argmax(axis=1)], np.inf)
