"""TO BE REPLACED at the merge by `run_all`, `applicable` and `analysis` of grokscope.analysis, of the same contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis import branches, delay_table, learning_curves
from grokscope.analysis.tables import registry
from grokscope.analysis.tables.identity import each_run

if TYPE_CHECKING:
    from grokscope.runs import Run

OTHERS: dict[str, Callable[..., pd.DataFrame]] = {
    "learning_curves": learning_curves,
    "branches": branches,
    "delay_table": delay_table,
}


def analysis(*, family: str, version: int) -> Callable[[Callable[..., pd.DataFrame]], Callable[..., pd.DataFrame]]:
    def declare(function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
        OTHERS[function.__name__] = analysis_of_each_run = each_run(function)
        return analysis_of_each_run

    return declare


def applicable(run: Run) -> tuple[str, ...]:
    law = () if run.config.norms.clamp_rho is None else ("delay_table",)
    return (*registry.applicable(run), *(name for name in OTHERS if name != "delay_table"), *law)


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
