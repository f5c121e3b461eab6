"""The share of runs still without the event, over time: Kaplan-Meier curves, and the quantiles read off them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Bool, Float, Int

from grokscope.analysis.timing.outcomes import LEVEL, Event, Outcomes, Unit, fraction, outcomes

COLUMNS = ("arm", "time", "at_risk", "events", "censored", "survival", "low", "high")
ROUNDING = 1e-9
"""A curve is a product of fractions: it is at 1/2 if it is this near to it."""


def survival(
    table: pd.DataFrame,
    event: Event = "grok",
    unit: Unit = "steps",
    level: float = LEVEL,
    arms: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The Kaplan-Meier curve of every arm, with a pointwise interval.

    S(t) = product over event times t_i <= t of (1 - d_i / n_i)

    d_i: events at t_i; n_i: runs still watched and without the event just before it. The interval is that of
    ln(-ln S), whose ends stay within 0 and 1; where S is 1 or 0 it is not defined.

    Arguments:
        table, event, unit, arms: as for `outcomes`.
        level: confidence of the interval, at each time for itself.

    Returns:
        arm, event, unit, time (0, and then every time at which an event was seen or a run was last watched), at_risk
        (n_i), events (d_i), censored (runs last watched then), survival, low, high (NaN where not defined). An arm
        without runs has no rows.

    Source: Kaplan & Meier 1958; Kalbfleisch & Prentice 1980 (the interval); computed by scipy.
    """
    fraction("level", level)
    parts = [_rows(runs, level) for runs in outcomes(table, event, unit, arms).values() if len(runs.time)]
    curves = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    curves.insert(1, "event", event)
    curves.insert(2, "unit", unit)
    return curves


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve: its value from each time on, up to the next."""

    time: Float[np.ndarray, " time"]
    at_risk: Int[np.ndarray, " time"]
    events: Int[np.ndarray, " time"]
    survival: Float[np.ndarray, " time"]
    low: Float[np.ndarray, " time"]
    high: Float[np.ndarray, " time"]

    @classmethod
    def of(cls, runs: Outcomes, level: float = LEVEL) -> Curve:
        """Of at least one run."""
        estimate = scipy.stats.ecdf(runs.censored).sf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # not defined where the curve is 1 or 0: NaN, as documented
            band = estimate.confidence_interval(level, method="log-log")
        time = np.asarray(estimate.quantiles, dtype=float)
        at_risk = (runs.time >= time[:, None]).sum(axis=1)
        events = ((runs.time == time[:, None]) & runs.happened).sum(axis=1)
        return cls(time, at_risk, events, estimate.probabilities, band.low.probabilities, band.high.probabilities)

    @property
    def end(self) -> float:
        """The last time at which a run was watched; infinite if every run had its event before."""
        return inf if self.survival[-1] < ROUNDING else float(self.time[-1])


def first_time(time: Float[np.ndarray, " time"], reached: Bool[np.ndarray, " time"]) -> float:
    """The first time at which something holds; infinite if it never does."""
    return float(time[np.argmax(reached)]) if reached.any() else inf


def _rows(runs: Outcomes, level: float) -> pd.DataFrame:
    curve = Curve.of(runs, level)
    last = ((runs.time == curve.time[:, None]) & ~runs.happened).sum(axis=1)
    start = pd.DataFrame(
        {"time": [0.0], "at_risk": len(runs.time), "events": 0, "censored": 0, "survival": 1.0, "low": np.nan}
    )
    columns = (curve.time, curve.at_risk, curve.events, last, curve.survival, curve.low, curve.high)
    steps = pd.DataFrame(dict(zip(COLUMNS[1:], columns, strict=True)))
    if curve.time[0] > 0:
        steps = pd.concat([start.assign(high=np.nan), steps], ignore_index=True)
    steps.insert(0, "arm", runs.arm)
    return steps
