"""Whether two arms differ at all: log-rank tests of every pair, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import isnan, nan

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

from grokscope.analysis.timing.outcomes import Event, Outcomes, Unit, outcomes


def log_rank(
    table: pd.DataFrame, event: Event = "grok", unit: Unit = "steps", arms: Sequence[str] | None = None
) -> pd.DataFrame:
    """The log-rank test of each pair of arms, with Holm's correction over the pairs.

    Z^2 = (sum over event times of O_a - E_a)^2 / sum of V, chi-square with one degree of freedom if the hazards are
    the same; O_a: events in arm a, E_a = d n_a / n: those expected of it, V: their hypergeometric variance. It does not
    know that arms share seeds: what they have in common makes it find fewer differences, not more.

    Returns:
        arm, other, statistic (Z^2), p, p_holm (over all pairs that have a p), faster (the arm with more events than
        expected), statement (why there is no test: an arm without runs, no events, or no two runs at risk together),
        event, unit.

    Raises as `outcomes` does. Source: Mantel 1966; Holm 1979; computed by scipy.
    """
    several = outcomes(table, event, unit, arms)
    rows = [_row(one, other) for one, other in combinations(several.values(), 2)]
    tests = pd.DataFrame(rows, columns=["arm", "other", "statistic", "p", "faster", "statement"])
    tests.insert(4, "p_holm", holm(tests["p"].to_numpy(dtype=float)))
    return tests.assign(event=event, unit=unit)


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """p-values adjusted so that rejecting those <= alpha keeps the chance of any false rejection below alpha.

    The k-th smallest of m becomes max over j <= k of min(1, (m - j + 1) p_(j)). NaNs are no tests and stay.
    Source: Holm 1979.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def _row(one: Outcomes, other: Outcomes) -> dict[str, object]:
    found: dict[str, object] = {"arm": one.arm, "other": other.arm, "statistic": nan, "p": nan, "faster": ""}
    empty = [runs.arm for runs in (one, other) if not len(runs.time)]
    if empty:
        return found | {"statement": f"no test: no runs in {' and '.join(empty)}"}
    if not (one.happened.any() or other.happened.any()):
        return found | {"statement": "no test: no events in either arm"}
    with np.errstate(invalid="ignore", divide="ignore"):
        test = scipy.stats.logrank(one.censored, other.censored)
    z, p = float(test.statistic), float(test.pvalue)
    if isnan(p) or np.isinf(z):
        return found | {"statement": "no test: no event while runs of both arms were watched"}
    faster = one.arm if z > 0 else other.arm if z < 0 else ""
    return found | {"statistic": z**2, "p": p, "faster": faster, "statement": ""}
