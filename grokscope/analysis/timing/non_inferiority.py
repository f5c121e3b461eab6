"""Whether an arm is as soon as a reference, up to a margin that is named beforehand.

A test that finds no difference does not show that there is none. Here the burden is the other way round: the arm is as
soon as the reference if the upper end of a one-sided interval of the ratio of times is below the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, isinf, isnan, log, nan, sqrt

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

from grokscope.analysis.tables.select import names
from grokscope.analysis.timing.outcomes import LEVEL, Event, Unit, choice, fraction, outcomes
from grokscope.analysis.timing.resampling import shared_seeds
from grokscope.analysis.timing.speed_up import positive

MARGIN, POWER, MOST_SEEDS = 1.15, 0.8, 40
COLUMNS = (
    "reference", "arm", "event", "unit", "seeds", "ratio", "low", "high", "margin", "is_lower_bound", "log_sd",
    "seeds_needed", "verdict", "statement",
)  # fmt: skip


def non_inferiority(
    table: pd.DataFrame,
    reference: str,
    arm: str | Sequence[str] | None = None,
    event: Event = "sustained_grok",
    unit: Unit = "steps",
    margin: float = MARGIN,
    level: float = LEVEL,
) -> pd.DataFrame:
    """The geometric mean over shared seeds of an arm's time over the reference's, and what it says.

        d_s = ln(T_arm / T_reference) of seed s,    ratio = exp(mean d),
        low, high = exp(mean d -+ t(level, n - 1) sd(d) / sqrt(n)),    each one-sided at `level`

    as soon as the reference: high <= margin. later: low > margin. Otherwise it cannot be told with so many seeds.
    A run of the arm that is censored counts with the time until which it was seen: the ratio is then at least what is
    given, so that such an arm can be found later, and never as soon. `low` is then exp(`signed_rank_bound(d)`), which
    rises with every d, so that it would be no lower if the times that were not seen were known. (The bound by t is not
    so: a time that is longer than it was seen to be can lower it, by its part in sd(d).)

    Arguments:
        table, event, unit: as for `outcomes`.
        reference: the arm that others are compared with; its runs must all have the event.
        arm: one or several; None: all others that share a seed with it.
        margin: the ratio above which an arm counts as later.

    Returns:
        reference, arm, event, unit, seeds (shared), ratio, low (NaN for one seed, and for fewer than five of which one
        is censored), high (NaN for one seed, infinite where a run is censored), margin, is_lower_bound (some run is
        censored), log_sd (standard deviation of d), seeds_needed (for 80% power if arm and reference are in
        truth alike, at the spread seen, 40 at most; NaN for one seed), verdict (`as soon`, `later`, `cannot tell`),
        statement.

    Raises ValueError as `outcomes` does, for a margin of 1 or less, and where a run of the reference is censored.
    Source: two one-sided tests, of which this is one (Schuirmann 1987), on logarithms of times paired by seed; where a
    run is censored, the bound of the signed-rank test (Hollander & Wolfe 1999, section 3.3).
    """
    fraction("level", level)
    if not 1 < margin < inf:
        raise ValueError(f"margin = {margin!r} is not accepted: use a ratio above 1")
    known = names(table, "arm") if "arm" in table else []
    choice("reference", reference, known)
    of_arms = outcomes(table, event, unit)
    base = positive(of_arms[reference], event)
    others = [one for one in known if one != reference] if arm is None else [arm] if isinstance(arm, str) else list(arm)
    rows = []
    for one in others:
        choice("arm", one, [name for name in known if name != reference])
        seeds = shared_seeds([base, of_arms[one]])
        if not len(seeds):
            if arm is None:
                continue
            raise ValueError(f"arms {reference!r} and {one!r} share no seed: nothing can be compared")
        before, after = base.of_seeds(seeds), positive(of_arms[one], event).of_seeds(seeds)
        if not before.happened.all():
            seed = int(before.seed[~before.happened][0])
            raise ValueError(f"arm {reference!r} seed {seed} has no {event}: a reference needs its time in every run")
        compared = _compared(np.log(after.time / before.time), bool(after.happened.all()), margin, level)
        rows.append({"reference": reference, "arm": one, "event": event, "unit": unit, "margin": margin, **compared})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compared(apart: np.ndarray, complete: bool, margin: float, level: float) -> dict[str, object]:
    n = len(apart)
    mean = float(apart.mean())
    spread = float(apart.std(ddof=1)) if n > 1 else nan
    half = float(scipy.stats.t.ppf(level, n - 1)) * spread / sqrt(n) if n > 1 else nan
    low, high = (exp(mean - half), exp(mean + half)) if complete else (exp(signed_rank_bound(apart, level)), inf)
    verdict = "as soon" if high <= margin else "later" if low > margin else "cannot tell"
    said = [] if complete else [f"at least: {'a run is' if n == 1 else 'some runs are'} censored"]
    said += ["one seed: no interval"] if n == 1 else ["too few seeds for a lower end"] if isnan(low) else []
    return {
        "seeds": n,
        "ratio": exp(mean),
        "low": low,
        "high": nan if n == 1 else high,
        "is_lower_bound": not complete,
        "log_sd": spread,
        "seeds_needed": seeds_needed(spread, margin, level) if n > 1 else nan,
        "verdict": verdict,
        "statement": "; ".join(said),
    }


def signed_rank_bound(apart: Float[np.ndarray, " seed"], level: float = LEVEL) -> float:
    """The lower confidence bound, one-sided at `level`, of what differences are symmetric about.

    It is the k-th smallest of the n (n + 1) / 2 averages (d_i + d_j) / 2, i <= j, with the largest k for which
    P(T+ <= k - 1) <= 1 - level, T+ being the statistic of Wilcoxon's signed-rank test. None of the averages falls if a
    difference rises, and so neither does the bound. Where no k will do it is NaN: at 95%, for fewer than five
    differences.

    Source: Hollander & Wolfe 1999, Nonparametric Statistical Methods, section 3.3 (Tukey 1949).
    """
    n = len(apart)
    below = np.cumsum(_signed_rank_law(n))
    k = int(np.searchsorted(below, 1 - level, side="right"))
    first, second = np.triu_indices(n)
    averages = np.sort((apart[first] + apart[second]) / 2)
    return float(averages[k - 1]) if k else nan


def _signed_rank_law(n: int) -> Float[np.ndarray, " statistic"]:
    """P(T+ = t) for t from 0 to n (n + 1) / 2: each of the ranks 1 to n is in the sum with probability 1/2."""
    law = np.zeros(n * (n + 1) // 2 + 1)
    law[0] = 1.0
    for rank in range(1, n + 1):
        law[rank:] = law[rank:] + law[:-rank]
        law /= 2
    return law


def seeds_needed(log_sd: float, margin: float = MARGIN, level: float = LEVEL, power: float = POWER) -> int:
    """How many shared seeds show an arm that is in truth alike to be as soon, with this power; `MOST_SEEDS` at most.

    The least n with  (t(level, n - 1) + t(power, n - 1)) log_sd / sqrt(n) <= ln margin.
    """
    for n in range(2, MOST_SEEDS):
        needed = float(scipy.stats.t.ppf(level, n - 1) + scipy.stats.t.ppf(power, n - 1)) * log_sd / sqrt(n)
        if not isinf(needed) and needed <= log(margin):
            return n
    return MOST_SEEDS
