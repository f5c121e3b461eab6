"""What each of several switches contributes to a speed-up, in every order of switching them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations
from math import nan

import pandas as pd

from grokscope.analysis.timing.outcomes import LEVEL, Event, Unit, fraction, outcomes
from grokscope.analysis.timing.ratios import LogRatio, exponential
from grokscope.analysis.timing.resampling import DRAWS, draw_seeds, resampled_medians, shared_seeds
from grokscope.analysis.timing.speed_up import few, positive

TOTAL, AVERAGE = "total", "average"
"""In place of an order: all switches at once, and each one's average over the orders."""
COLUMNS = (
    "order", "place", "factor", "baseline", "arm", "log_ratio", "low", "high",
    "speed_up", "speed_up_low", "speed_up_high", "share", "share_low", "share_high", "bound", "seeds", "event", "unit",
    "statement",
)  # fmt: skip
Switches = frozenset[str]


def decomposition(
    table: pd.DataFrame,
    factors: Mapping[str, Sequence[str]],
    event: Event = "grok",
    unit: Unit = "steps",
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """The speed-up of all switches together, step by step along every order in which they can be switched on.

    ln(T_none / T_all) = sum over switches f of ln(T before f / T after f), along any order

    T: median time of the arm with those switches on. What a switch gives depends on which are on already: its average
    over all orders (Shapley value) is its share of the total, and these shares sum to the total as well. Seeds are
    resampled together for all arms. Where a median is not reached, a step is a bound, as in `speed_up`.

    Arguments:
        table, event, unit: as for `outcomes`.
        factors: the switches that are on in each arm: {"adamw": (), "lion": ("lion",), "lion-clip": ("lion", "clip")}.
        level, draws, seed: as for `speed_up`.

    Returns:
        order (`lion > clip`; `average`; `total`), place (1, 2, ... in the order), factor (`all` for the total),
        baseline and arm (before and after the switch; empty for averages), log_ratio (natural; NaN: not known), low and
        high (of it), speed_up, speed_up_low, speed_up_high (the same, as ratios), share, share_low, share_high (of the
        total's log_ratio, resampled with it; NaN: not known; infinite: no end), bound (`exact`, `at least`, `at most`,
        `unknown`: what log_ratio is), seeds (shared by all arms used), event, unit, statement. An order without all its
        arms has one row that names those it lacks, and averages are then over the others, and say so.

    Raises ValueError as `outcomes` does, if no arm has all switches on or none has none, if two have the same, if none
    of the orders has all its arms, and if the arms share no seed.
    Source: Shapley 1953; Shorrocks 2013 (decompositions by it).
    """
    fraction("level", level)
    arms = _vertices(factors)
    switches = list(dict.fromkeys(name for on in factors.values() for name in on))
    runs = {arm: positive(found, event) for arm, found in outcomes(table, event, unit, list(factors)).items()}
    paths = {order: [frozenset(order[:k]) for k in range(len(order) + 1)] for order in permutations(switches)}
    usable = {on: arm for on, arm in arms.items() if len(runs[arm].time)}
    whole = {order: path for order, path in paths.items() if all(on in usable for on in path)}
    lacking = {order: [_named(on, arms) for on in path if on not in usable] for order, path in paths.items()}
    if not whole:
        told = "; ".join(sorted({name for some in lacking.values() for name in some}))
        raise ValueError(f"no order of {', '.join(switches)} has all its arms; without runs: {told}")
    used = {on: runs[usable[on]] for path in whole.values() for on in path}
    seeds = shared_seeds(list(used.values()))
    if not len(seeds):
        raise ValueError(f"arms {', '.join(usable[on] for on in used)} share no seed: give runs of the same seeds")
    counts = draw_seeds(len(seeds), draws, seed)
    medians = {on: resampled_medians(found.of_seeds(seeds), counts) for on, found in used.items()}

    ends = (frozenset[str](), frozenset(switches))
    total = LogRatio.of(*(medians[on] for on in ends))

    def row(order: str, place: int, factor: str, ratio: LogRatio, ends: Sequence[Switches], told: str) -> dict:
        share = ratio.share(total)
        (low, high), (share_low, share_high) = (
            found.interval(level) if len(seeds) > 1 else (nan, nan) for found in (ratio, share)
        )
        names = [usable[on] for on in ends] or ["", ""]
        shown = [exponential(value) for value in (ratio.value, low, high)]
        values = (
            order,
            place,
            factor,
            *names,
            ratio.value,
            low,
            high,
            *shown,
            *(share.value if share.least[0] == share.most[0] else nan, share_low, share_high),
            ratio.bound,
            len(seeds),
            event,
            unit,
            told,
        )
        return dict(zip(COLUMNS, values, strict=True))

    rows, of_factor = [], {factor: [] for factor in switches}
    for order, path in whole.items():
        for place, (factor, ends) in enumerate(zip(order, pairwise(path), strict=True), start=1):
            ratio = LogRatio.of(*(medians[on] for on in ends))
            of_factor[factor].append(ratio)
            rows.append(row(_text(order), place, factor, ratio, ends, ""))
    for order in paths.keys() - whole.keys():
        blank = dict.fromkeys(COLUMNS, nan) | {"order": _text(order), "factor": "", "baseline": "", "arm": ""}
        blank |= {"bound": "", "event": event, "unit": unit}
        rows.append(blank | {"statement": f"left out, without runs: {'; '.join(lacking[order])}"})
    rows.sort(key=lambda found: [_text(order) for order in paths].index(found["order"]))
    some = "" if len(whole) == len(paths) else f"over {len(whole)} of {len(paths)} orders"
    for place, (factor, ratios) in enumerate(of_factor.items(), start=1):
        rows.append(row(AVERAGE, place, factor, LogRatio.mean(ratios), (), some))
    rows.append(row(TOTAL, 1, "all", total, ends, "; ".join(few(len(seeds), level))))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"place": "Int64", "seeds": "Int64"})


def _vertices(factors: Mapping[str, Sequence[str]]) -> dict[Switches, str]:
    """The arm of each set of switches."""
    arms: dict[Switches, str] = {}
    for arm, on in factors.items():
        if frozenset(on) in arms:
            raise ValueError(f"factors of {arms[frozenset(on)]!r} and {arm!r} are the same: {list(on)}; give one arm")
        arms[frozenset(on)] = arm
    everything = frozenset[str]().union(*arms) if arms else frozenset[str]()
    if not everything or frozenset() not in arms or everything not in arms:
        lacks = "no switch on" if frozenset() not in arms else f"all of {sorted(everything)} on"
        raise ValueError(f"factors = {dict(factors)!r} has no arm with {lacks}: a path needs both its ends")
    return arms


def _text(order: Sequence[str]) -> str:
    return " > ".join(order)


def _named(on: Switches, arms: Mapping[Switches, str]) -> str:
    return arms.get(on) or f"an arm with {' + '.join(sorted(on))}"
