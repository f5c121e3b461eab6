"""Which steps the slider stops at, and what each run shows there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

MOST = 120
"""How many stops the slider has at most."""


def common_steps(checkpoints: Sequence[Sequence[int]], wanted: Iterable[int] = (), most: int = MOST) -> list[int]:
    """Steps for several runs in step: all steps at which any has a checkpoint, thinned to at most `most`.

    Where they are thinned they are spread evenly over the logarithm of the step, and the first, every run's last, and
    the first at or after each `wanted` step stay.
    """
    steps = np.unique([step for of_run in checkpoints for step in of_run])
    if len(steps) <= most:
        return steps.tolist()
    kept = {int(steps[0]), *(of_run[-1] for of_run in checkpoints)}
    kept |= {int(steps[at]) for at in np.searchsorted(steps, sorted(wanted)) if at < len(steps)}
    return _spread(steps.tolist(), kept, most)


def thinned(steps: Sequence[int], kept: Iterable[int], most: int) -> list[int]:
    """About `most` of some increasing steps, spread evenly over their logarithm, with those that are to be kept."""
    always = set(kept) & set(steps)
    return list(steps) if len(steps) <= most else _spread(steps, always, max(most, len(always)))


def _spread(steps: Sequence[int], kept: set[int], most: int) -> list[int]:
    places = np.log1p(np.asarray(steps, dtype=float))

    def chosen(count: int) -> list[int]:
        targets = np.linspace(places[0], places[-1], count)
        after = np.clip(np.searchsorted(places, targets), 1, len(places) - 1)
        nearest = after - (targets - places[after - 1] < places[after] - targets)
        return sorted(kept | {steps[at] for at in nearest})

    # Early steps are far apart on this scale: many targets share one, so that more targets than `most` are wanted.
    low, high = 1, 64 * len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(chosen(middle)) <= most else (low, middle)
    return chosen(low)


def shown_at(checkpoints: Sequence[int], steps: Sequence[int]) -> list[int]:
    """For every step, the number of the checkpoint that is shown: the last one up to the step, or else the first."""
    return np.clip(np.searchsorted(checkpoints, steps, side="right") - 1, 0, None).tolist()


def fraction(step: float, steps: Sequence[int]) -> float:
    """The place of a step on a slider that has a stop for each of some steps, from 0 to 1."""
    return float(np.interp(step, steps, np.linspace(0, 1, len(steps)))) if len(steps) > 1 else 0.0
