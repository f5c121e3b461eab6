"""How the speed-up is spread over the sites of the network: what each has alone, and what is lost without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from grokscope.analysis import where
from grokscope.analysis.timing.non_inferiority import t_ends
from grokscope.experiments.why_clipping.declared import FREE, TESTED
from grokscope.experiments.why_clipping.families.sites import SITES, WORDS
from grokscope.experiments.why_clipping.summary import of_arms, steps_by_seed
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
    of_task = where(of_arms(rows), task=MAIN)
    steps_of = {arm: steps_by_seed(of_task, arm) for arm in (FREE, TESTED, *ALONE, *LOST)}
    seeds = sorted(set.intersection(*map(set, steps_of.values())))
    logs = {arm: np.log([steps[seed] for seed in seeds]) for arm, steps in steps_of.items()}
    if len(seeds) < 2 or np.isnan(list(logs.values())).any():
        return ""
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
        f"{_times(cost - whole)} the whole (n = {len(seeds)})."
    )


def _ratio(logs: Float[np.ndarray, " seed"]) -> str:
    return f"{np.exp(logs.mean()):.2f}×"


def _times(logs: Float[np.ndarray, " seed"]) -> str:
    return f"{np.exp(logs.mean()):.2f} times ({_ends(logs)})"


def _ends(logs: Float[np.ndarray, " seed"]) -> str:
    """The ends of a geometric mean: `1.93 to 3.03`."""
    return interval(*t_ends(logs), "{:.2f}".format)
