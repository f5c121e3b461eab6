"""Tables as `timing_table` makes them, with times that the tests know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def arm(
    name: str,
    times: Sequence[float],
    watched: Sequence[float] = (),
    budget: float = 10_000,
    seeds: Sequence[int] | None = None,
    **columns: object,
) -> pd.DataFrame:
    """Runs that grok at `times` and then, without a grok, runs that are watched for so long."""
    groks = [*times, *[np.nan] * len(watched)]
    return pd.DataFrame(
        {
            "arm": name,
            "seed": list(range(len(groks))) if seeds is None else list(seeds),
            "budget": budget,
            "status": "finished",
            "grok_step": groks,
            "observed": [*times, *watched],
            "cadence": 10,
            **columns,
        }
    )


def simulated(name: str, times: np.ndarray, budget: float = np.inf, **columns: object) -> pd.DataFrame:
    """A run per seed, censored at the budget."""
    table = arm(name, times.tolist(), **columns)
    late = times > budget
    return table.assign(grok_step=np.where(late, np.nan, times), observed=np.minimum(times, budget))


# Remission in weeks of leukemia patients, 6-mercaptopurine against placebo: Freireich et al. 1963, as in Cox & Oakes
# 1984. Published: medians 23 and 8 weeks, log-rank chi-square 16.79.
FREIREICH = pd.concat(
    [
        arm("6-MP", [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]),
        arm("placebo", [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]),
    ],
    ignore_index=True,
)
