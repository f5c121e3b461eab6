"""TO BE REPLACED at the merge by `from grokscope.analysis import applicable, run_all`, of the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope import analysis
from grokscope.analysis.tables import registry

if TYPE_CHECKING:
    from grokscope.runs import Run

OTHERS = {
    "learning_curves": analysis.learning_curves,
    "branches": analysis.branches,
    "delay_table": analysis.delay_table,
}


def applicable(run: Run) -> tuple[str, ...]:
    law = () if run.config.norms.clamp_rho is None else ("delay_table",)
    return (*registry.applicable(run), "learning_curves", "branches", *law)


def run_all(
    runs: Run | Sequence[Run], only: Iterable[str] | None = None, workers: int = 1, *, progress: bool = False
) -> dict[str, pd.DataFrame]:
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    wanted = list(only or ())
    parts = []
    for run in several:
        own = [name for name in wanted if name in registry.applicable(run)]
        parts.append(registry.run_all(run, own, workers, progress=progress) if own else {})
    tables = {}
    for name in wanted:
        if name in OTHERS:
            of = [run for run in several if name in applicable(run)]
            if of:
                tables[name] = OTHERS[name](of)
        elif some := [part[name] for part in parts if name in part]:
            tables[name] = pd.concat([t for t in some if len(t)] or some[:1], ignore_index=True)
    return tables
