"""How much of one arm's speed-up another arm has: whether a suspected cause does what the whole intervention does."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import numpy as np
import pandas as pd
from jaxtyping import Float

from grokscope.analysis.tables.select import names
from grokscope.analysis.timing.outcomes import LEVEL, Event, Unit, choice, fraction, outcomes
from grokscope.analysis.timing.resampling import DRAWS, Medians, draw_seeds, resampled_medians, shared_seeds
from grokscope.analysis.timing.speed_up import few, positive

COLUMNS = (
    "baseline", "whole", "arm", "event", "unit", "seeds", "share", "low", "high", "unknown_draws", "statement",
)  # fmt: skip
Ends = tuple[Float[np.ndarray, " draw"], Float[np.ndarray, " draw"]]


def shares(
    table: pd.DataFrame,
    baseline: str,
    whole: str,
    arm: str | Sequence[str],
    event: Event = "grok",
    unit: Unit = "steps",
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """The share of a speed-up that an arm has, in logarithms of medians.

    share = ln(T_baseline / T_arm) / ln(T_baseline / T_whole)

    1: the arm is as fast as `whole`; 0: as slow as the baseline; below 0: slower than it; above 1: faster than `whole`.
    Seeds are resampled together for the three arms. A median that is not reached leaves bounds: with the arm's, the
    share is at most what its bound gives; with the baseline's, it is between what that bound gives and 1, to which it
    tends as the baseline's median grows. A resample in which `whole` is not faster than the baseline says nothing (its
    share is anything).

    How often a nominal 95% interval holds the true share, in 300 simulated samples (lognormal times, partly shared by
    seeds): 93% for 5 seeds, 95% for 10.

    Arguments:
        table, event, unit: as for `outcomes`.
        baseline, whole: the arms between which the speed-up is; `arm`: one or several to be placed on it.
        level, draws, seed: as for `speed_up`.

    Returns:
        baseline, whole, arm, event, unit, seeds (that the three share), share (NaN where bounds alone are known), low,
        high (infinite: no end; NaN: one seed), unknown_draws (share of the resamples that say nothing or have but one
        end), statement.

    Raises ValueError as `outcomes` does, for arms that are not in the table or not three different ones, and for arms
    that share no seed.
    """
    fraction("level", level)
    known = names(table, "arm") if "arm" in table else []
    choice("baseline", baseline, known)
    choice("whole", whole, [name for name in known if name != baseline])
    several = [arm] if isinstance(arm, str) else list(arm)
    for one in several:
        choice("arm", one, [name for name in known if name not in (baseline, whole)])
    of_arms = {name: positive(runs, event) for name, runs in outcomes(table, event, unit).items()}
    rows = []
    for one in several:
        three = [of_arms[name] for name in (baseline, whole, one)]
        seeds = shared_seeds(three)
        if not len(seeds):
            raise ValueError(f"arms {baseline!r}, {whole!r} and {one!r} share no seed: give runs of the same seeds")
        counts = draw_seeds(len(seeds), draws, seed)
        least, most = _share(*(resampled_medians(runs.of_seeds(seeds), counts) for runs in three))
        exact = least[0] == most[0]
        low = float(np.quantile(least[1:], (1 - level) / 2, method="inverted_cdf")) if len(seeds) > 1 else nan
        high = float(np.quantile(most[1:], (1 + level) / 2, method="inverted_cdf")) if len(seeds) > 1 else nan
        told = [] if exact else [_bounds(float(least[0]), float(most[0]))]
        values = (
            *(baseline, whole, one, event, unit, len(seeds)),
            *(float(least[0]) if exact else nan, low, high, float((least != most)[1:].mean())),
            "; ".join([*told, *few(len(seeds), level)]),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _share(baseline: Medians, whole: Medians, arm: Medians) -> Ends:
    """Between what the share is, in every draw."""
    with np.errstate(divide="ignore", invalid="ignore"):
        base, part, full = (np.log(median.low) for median in (baseline, arm, whole))
        at = (base - part) / (base - full)
    # Where the arm's median is later than known, or the baseline's: the share falls with the first, and with the
    # second tends to 1.
    least = np.where(np.isinf(arm.high), -inf, np.where(np.isinf(baseline.high), np.minimum(at, 1.0), at))
    most = np.where(np.isinf(baseline.high), np.maximum(at, 1.0), at)
    # ln 0 of a run watched up to 0, a whole that is not reached, or is not faster.
    nothing = ~np.isfinite(at) | np.isinf(whole.high) | (base <= full)
    return np.where(nothing, -inf, least), np.where(nothing, inf, most)


def _bounds(least: float, most: float) -> str:
    """What is known of a share that is not."""
    if least == -inf and most == inf:
        return "no share: the whole is not seen to be faster than the baseline"
    return f"at most {most:.0%}" if least == -inf else f"between {least:.0%} and {most:.0%}"
