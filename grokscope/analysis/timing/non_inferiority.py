"""Whether an arm is as soon as a reference, up to a margin that is named beforehand.

A test that finds no difference does not show that there is none. Here the burden is the other way round: the arm is as
soon as the reference if the upper end of a one-sided interval of the ratio of times is below the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isinf, isnan, log, nan, sqrt

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

from grokscope.analysis.tables.select import names
from grokscope.analysis.timing.outcomes import LEVEL, Event, Outcomes, Unit, choice, fraction, outcomes
from grokscope.analysis.timing.resampling import shared_seeds
from grokscope.analysis.timing.speed_up import positive

MARGIN, POWER, MOST_SEEDS = 1.15, 0.8, 40
COLUMNS = (
    "reference", "arm", "event", "unit", "seeds", "ratio", "low", "high", "margin", "is_lower_bound", "is_upper_bound",
    "log_sd", "seeds_needed", "verdict", "statement",
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
    A censored run counts with the time until which it was seen: the ratio is then at least what is given if runs of the
    arm are censored, at most if runs of the reference are, and unknown if runs of both are. Of a seed one of whose runs
    is censored d_s is known up to one end, the other being infinite. `low` is then exp(`signed_rank_bound`) of the
    lower ends and `high` that of the upper ones with signs turned: both rise with every d, so that they hold whatever
    the times are that were not seen. (The bound by t is not so: a time that is longer than it was seen to be can lower
    it, by its part in sd(d).) One censored run of the arm leaves no upper end below ten seeds.

    Arguments:
        table, event, unit: as for `outcomes`.
        reference: the arm that others are compared with.
        arm: one or several; None: all others that share a seed with it.
        margin: the ratio above which an arm counts as later.

    Returns:
        reference, arm, event, unit, seeds (shared), ratio (NaN where runs of both are censored), low (NaN for one seed,
        and for fewer than five of which one is censored), high (NaN for one seed, infinite where it is not known),
        margin, is_lower_bound (some run is censored, of the arm alone), is_upper_bound (of the reference alone), log_sd
        (standard deviation of d), seeds_needed (for 80% power if arm and reference are in truth alike, at the spread
        seen, 40 at most; NaN for one seed), verdict (`as soon`, `later`, `cannot tell`), statement.

    Raises ValueError as `outcomes` does, and for a margin of 1 or less.
    Source: two one-sided tests, of which this is one (Schuirmann 1987), on logarithms of times paired by seed; where a
    run is censored, the bounds of the signed-rank test (Hollander & Wolfe 1999, section 3.3).
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
        compared = _compared(_Apart.of(before, after), margin, level)
        rows.append({"reference": reference, "arm": one, "event": event, "unit": unit, "margin": margin, **compared})
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Apart:
    """Differences of logarithms of times, seed by seed."""

    seen: Float[np.ndarray, " seed"]
    """With the time until which a censored run was seen."""
    least: Float[np.ndarray, " seed"]
    """No more than the difference: minus infinity where the reference's run is censored."""
    most: Float[np.ndarray, " seed"]
    """No less than the difference: infinite where the arm's run is censored."""

    @classmethod
    def of(cls, before: Outcomes, after: Outcomes) -> _Apart:
        seen = np.log(after.time / before.time)
        return cls(seen, np.where(before.happened, seen, -inf), np.where(after.happened, seen, inf))


def _compared(apart: _Apart, margin: float, level: float) -> dict[str, object]:
    n = len(apart.seen)
    mean = float(apart.seen.mean())
    spread = float(apart.seen.std(ddof=1)) if n > 1 else nan
    reference_is_open, arm_is_open = bool(np.isinf(apart.least).any()), bool(np.isinf(apart.most).any())
    if reference_is_open or arm_is_open:
        low, high = exp(signed_rank_bound(apart.least, level)), exp(-signed_rank_bound(-apart.most, level))
        high = inf if isnan(high) else high
    else:
        low, high = t_ends(apart.seen, level)
    verdict = "as soon" if high <= margin else "later" if low > margin else "cannot tell"
    censored = "a run is censored" if n == 1 else "some runs are censored"
    said = {
        (False, False): [],
        (False, True): [f"at least: {censored}"],
        (True, False): [f"at most: {censored} of the reference"],
        (True, True): [f"no ratio: {censored} of both"],
    }[reference_is_open, arm_is_open]
    said += ["one seed: no interval"] if n == 1 else ["too few seeds for a lower end"] if isnan(low) else []
    return {
        "seeds": n,
        "ratio": nan if reference_is_open and arm_is_open else exp(mean),
        "low": low,
        "high": nan if n == 1 else high,
        "is_lower_bound": arm_is_open and not reference_is_open,
        "is_upper_bound": reference_is_open and not arm_is_open,
        "log_sd": spread,
        "seeds_needed": seeds_needed(spread, margin, level) if n > 1 else nan,
        "verdict": verdict,
        "statement": "; ".join(said),
    }


def t_ends(logs: Float[np.ndarray, " seed"], level: float = LEVEL) -> tuple[float, float]:
    """The ends of the geometric mean of what these are the logarithms of, each one-sided at `level`.

        exp(mean d -+ t(level, n - 1) sd(d) / sqrt(n))

    NaN for one value.
    """
    n = len(logs)
    if n < 2:
        return nan, nan
    mean, half = float(logs.mean()), float(scipy.stats.t.ppf(level, n - 1)) * float(logs.std(ddof=1)) / sqrt(n)
    return exp(mean - half), exp(mean + half)


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
