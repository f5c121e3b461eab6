"""How the speed-up is spread over the sites of the network: what each has alone, and what is lost without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

from grokscope.analysis import numbers, where
from grokscope.analysis.timing.outcomes import LEVEL
from grokscope.experiments.why_clipping.declared import FREE, TESTED, families
from grokscope.experiments.why_clipping.families.sites import SITES, WORDS
from grokscope.experiments.why_clipping.tasks import MAIN
from grokscope.experiments.wording import TITLES, interval, joined

ALONE, LOST = ([f"{kind}-{site}" for site in SITES] for kind in ("only", "but"))


def by_site(rows: pd.DataFrame) -> str:
    """What norms held at one site alone give, and what is lost with one site freed, on the main task.

        alone(site) = T_free / T_only(site),    lost(site) = T_but(site) / T_held,    whole = T_free / T_held

    Geometric means over the seeds with runs of all these arms; the products over all sites have two one-sided 95% ends,
    of a t test of logarithms, and are set against the whole. Empty with fewer than two such seeds, and where a run on
    one of them does not grok.

    Arguments:
        rows: of every run that has ended.
    """
    of_task = where(rows.loc[rows["part"].isin(list(families()))], task=MAIN)
    steps = pd.DataFrame({arm: _steps(where(of_task, arm=arm)) for arm in (FREE, TESTED, *ALONE, *LOST)})
    found = steps.dropna(how="any")
    if len(found) < 2 or found.lt(0).to_numpy().any():
        return ""
    logs = {arm: np.log(found[arm].to_numpy()) for arm in found}
    whole = logs[FREE] - logs[TESTED]
    alone = np.array([logs[FREE] - logs[arm] for arm in ALONE])
    lost = np.array([logs[arm] - logs[TESTED] for arm in LOST])
    given, cost = alone.sum(axis=0), lost.sum(axis=0)
    gains = joined([f"{_ratio(gain)} ({WORDS[site]})" for site, gain in zip(SITES, alone, strict=True)])
    return (
        f"How the speed-up on {TITLES[MAIN]} is spread over the network: all norms held at once give {_ratio(whole)} "
        f"({_ends(whole)}) over the projection alone. Those of one site give {gains}: multiplied {_ratio(given)} "
        f"({_ends(given)}), which is {_times(given - whole)} the whole. One site freed, in that order, costs "
        f"{joined([_ratio(loss) for loss in lost])}: multiplied {_ratio(cost)} ({_ends(cost)}), which is "
        f"{_times(cost - whole)} the whole (n = {len(found)})."
    )


def _steps(runs: pd.DataFrame) -> pd.Series:
    """Steps to the sustained grok by seed; -1 where there is none."""
    return pd.Series(numbers(runs, "sustained_grok_step"), index=numbers(runs, "seed")).fillna(-1)


def _ratio(logs: Float[np.ndarray, " seed"]) -> str:
    return f"{np.exp(logs.mean()):.2f}×"


def _times(logs: Float[np.ndarray, " seed"]) -> str:
    return f"{np.exp(logs.mean()):.2f} times ({_ends(logs)})"


def _ends(logs: Float[np.ndarray, " seed"]) -> str:
    """The ends of a geometric mean: `1.93 to 3.03`."""
    half = scipy.stats.t.ppf(LEVEL, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    return interval(np.exp(logs.mean() - half), np.exp(logs.mean() + half), "{:.2f}".format)
