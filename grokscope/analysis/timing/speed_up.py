"""How many times sooner one arm is than another, with an interval over the seeds that both have."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf, nan

import numpy as np
import pandas as pd
from jaxtyping import Int

from grokscope.analysis.tables.select import names
from grokscope.analysis.timing.outcomes import LEVEL, Event, Outcomes, Unit, amount, choice, fraction, outcomes
from grokscope.analysis.timing.ratios import LogRatio, exponential
from grokscope.analysis.timing.resampling import DRAWS, draw_seeds, resampled_medians, shared_seeds

COLUMNS = (
    "baseline", "arm", "event", "unit", "seeds", "baseline_median", "arm_median", "speed_up", "low", "high",
    "is_lower_bound", "is_upper_bound", "draws", "unbounded_draws", "cadence", "statement",
)  # fmt: skip


def speed_up(
    table: pd.DataFrame,
    baseline: str,
    arm: str | Sequence[str] | None = None,
    event: Event = "grok",
    unit: Unit = "steps",
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """The median time of a baseline over that of other arms: 3 says that the arm needs a third of the time.

    Both medians are Kaplan-Meier ones over the seeds that both arms have; seeds are resampled in pairs, and the
    interval is between percentiles of the ratio. Where a baseline's median is not reached, the ratio is at least what
    its last evaluation gives (`is_lower_bound`), in the sample as in each resample: the low end then holds, and the
    high end is infinite once more than half of 1 - level of the resamples have no upper end. Where the arm's is
    not reached, the ratio is at most that, and the low end 0 in the same way. Where neither is, there is none.

    How often a nominal 95% interval holds the true ratio, in 1,000 simulated samples a setting (lognormal times,
    correlated 0 and 0.8 between arms): 75% for 3 seeds, 93-96% for 5, 94-97% for 10, 95-99% for 30; and in 97-100%
    where about half of the baseline's runs or more are censored. Bias-corrected and accelerated intervals hold it in
    65-74%, 83-90%, 89-95% and 93-95%.

    Arguments:
        table, event, unit: as for `outcomes`.
        baseline: the arm that others are compared with.
        arm: one or several; None: all others.
        draws, seed: resamples, and the seed that they are drawn by.

    Returns:
        baseline, arm, event, unit, seeds (how many are shared), baseline_median and arm_median (in the unit, NaN where
        not reached), speed_up (NaN where
        neither is), low, high, is_lower_bound, is_upper_bound, draws, unbounded_draws (share of the
        resamples in which the ratio was a bound only), cadence (the longest of the two arms', in steps), statement.

    Raises ValueError as `outcomes` does, for an arm that has no runs or is its own baseline, and for arms that share
    no seed.
    Source: Efron & Tibshirani 1993, chapter 13; Efron 1981 (resampling censored data).
    """
    fraction("level", level)
    known = names(table, "arm") if "arm" in table else []
    choice("baseline", baseline, known)
    others = [one for one in known if one != baseline] if arm is None else [arm] if isinstance(arm, str) else list(arm)
    for one in others:
        choice("arm", one, [name for name in known if name != baseline])
    of_arms = outcomes(table, event, unit)
    rows = [
        {"baseline": baseline, "arm": one, "event": event, "unit": unit}
        | _compared(positive(of_arms[baseline], event), positive(of_arms[one], event), unit, level, draws, seed)
        for one in others
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def positive(runs: Outcomes, event: Event) -> Outcomes:
    """Raise ValueError if an event is not after 0, of which there is no ratio; and return the runs."""
    wrong = runs.happened & (runs.time <= 0)
    if wrong.any():
        time, seed = runs.time[wrong][0], runs.seed[wrong][0]
        raise ValueError(f"arm {runs.arm!r} seed {seed} has {event} = {time:g}: a ratio of medians needs times > 0")
    return runs


def _compared(base: Outcomes, arm: Outcomes, unit: Unit, level: float, draws: int, seed: int) -> dict[str, object]:
    seeds = shared_seeds([base, arm])
    if not len(seeds):
        raise ValueError(
            f"arms {base.arm!r} ({_seeds(base.seed)}) and {arm.arm!r} ({_seeds(arm.seed)}) share no seed: "
            "a speed-up needs runs from the same initial weights"
        )
    counts = draw_seeds(len(seeds), draws, seed)
    before, after = (resampled_medians(runs.of_seeds(seeds), counts) for runs in (base, arm))
    ratio = LogRatio.of(before, after)
    low, high = ratio.interval(level) if len(seeds) > 1 else (nan, nan)
    at = [float(median.low[0]) for median in (before, after)]
    reached = [not isinf(median.high[0]) for median in (before, after)]
    cadence = np.concatenate([base.cadence, arm.cadence])
    return {
        "seeds": len(seeds),
        "baseline_median": at[0] if reached[0] else nan,
        "arm_median": at[1] if reached[1] else nan,
        "speed_up": exponential(ratio.value),
        "low": exponential(low),
        "high": exponential(high),
        "is_lower_bound": ratio.bound == "at least",
        "is_upper_bound": ratio.bound == "at most",
        "draws": draws,
        "unbounded_draws": ratio.unbounded,
        "cadence": nan if np.isnan(cadence).all() else float(np.nanmax(cadence)),
        "statement": "; ".join([*_bounds(ratio, at, unit), *few(len(seeds), level), *_dropped(base, arm, seeds)]),
    }


def _bounds(ratio: LogRatio, at: Sequence[float], unit: Unit) -> list[str]:
    """What a bound in place of a ratio comes from."""
    return {
        "exact": [],
        "at least": [f"at least: the baseline's median is > {amount(at[0], unit)}"],
        "at most": [f"at most: the arm's median is > {amount(at[1], unit)}"],
        "unknown": [f"no ratio: the medians are > {amount(at[0], unit)} and > {amount(at[1], unit)}"],
    }[ratio.bound]


def few(seeds: int, level: float) -> list[str]:
    """What an interval over few seeds is worth."""
    if seeds == 1:
        return ["one seed: no interval"]
    if (reached := 1 - 2.0 ** (1 - seeds)) < level:
        return [f"an interval over {seeds} seeds holds the ratio in about {reached:.0%} of samples"]
    return []


def _dropped(base: Outcomes, arm: Outcomes, seeds: Int[np.ndarray, " seed"]) -> list[str]:
    """Runs that are left out, having no partner."""
    alone = [(runs.arm, np.setdiff1d(runs.seed, seeds)) for runs in (base, arm)]
    return [f"left out, as {name} alone has them: {_seeds(some)}" for name, some in alone if len(some)]


def _seeds(seeds: Int[np.ndarray, " seed"]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
