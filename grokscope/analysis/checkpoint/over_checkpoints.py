"""Analyses that look at one checkpoint at a time, made over all checkpoints of a run in one pass.

    @over_checkpoints(family="fourier", version=1, applies_to=has_group)
    def neurons(checkpoint: Checkpoint) -> pd.DataFrame: ...

makes `neurons` an analysis of runs, declared and kept like every other (`grokscope.analysis.tables.declared`), with a
first column `step`. Called on its own it goes through the checkpoints for itself. `in_one_pass` makes several such
tables together: it asks each analysis for what is kept, and goes through the checkpoints once for all others, which
share activations, transforms and key sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.memory import Footprint, all_pairs, check_memory, check_pairs, no_pairs
from grokscope.analysis.tables.declared import Analysis, declare, every_run
from grokscope.analysis.tables.identity import identified
from grokscope.counted import counted
from grokscope.stopping import at_boundaries, check

if TYPE_CHECKING:
    from grokscope.runs import Run

Measure = Callable[[Checkpoint], pd.DataFrame]
Steps = Callable[[Sequence[int]], list[int]]
Progress = bool | Callable[[int], None]
"""True shows a progress bar over the checkpoints of a run; a function is told how many of them are done."""


def all_steps(steps: Sequence[int]) -> list[int]:
    return list(steps)


def last_step(steps: Sequence[int]) -> list[int]:
    return list(steps[-1:])


def spread_steps(count: int) -> Steps:
    """Choose `count` checkpoints spread evenly over the list of them, the first and the last among them."""

    def choose(steps: Sequence[int]) -> list[int]:
        last = len(steps) - 1
        return [steps[i] for i in sorted({round(k * last / (count - 1)) for k in range(count)})]

    return choose


class CheckpointAnalysis(Analysis[[]]):
    """An analysis that is made of a table for each checkpoint."""

    def __init__(
        self,
        measure: Measure,
        *,
        steps: Steps,
        prepare: Callable[[RunContext], None],
        memory: Callable[[RunContext], Footprint],
        family: str,
        version: int,
        needs: Sequence[str],
        applies_to: Callable[[Run], bool],
        on_request: bool,
    ) -> None:
        def table(run: Run) -> pd.DataFrame:
            return _compute(run, [self])[self.name]

        super().__init__(
            table,
            family=family,
            version=version,
            needs=needs,
            applies_to=applies_to,
            on_request=on_request,
            source=measure,
        )
        self.measure, self.steps, self.prepare, self.memory = measure, steps, prepare, memory


def over_checkpoints(
    *,
    family: str,
    version: int = 1,
    needs: Sequence[str] = (),
    applies_to: Callable[[Run], bool] = every_run,
    steps: Steps = all_steps,
    prepare: Callable[[RunContext], None] = RunContext.prepare_circuit,
    memory: Callable[[RunContext], Footprint] = all_pairs,
    on_request: bool = False,
) -> Callable[[Measure], CheckpointAnalysis]:
    """Declare a function from one checkpoint to a table as an analysis of all (or of chosen) checkpoints of runs.

    Arguments:
        family, version, needs, applies_to, on_request: as for `grokscope.analysis.tables.declared.analysis`.
        steps: which of a run's checkpoints to look at; all, if not given.
        prepare: what is to be computed before threads share a run's context; what circuits need, if not given.
        memory: what it needs; that of analyses that look at all pairs of operands, if not given.
    """
    return lambda measure: declare(
        CheckpointAnalysis(
            measure,
            steps=steps,
            prepare=prepare,
            memory=memory,
            family=family,
            version=version,
            needs=needs,
            applies_to=applies_to,
            on_request=on_request,
        )
    )


def in_one_pass(
    run: Run, analyses: Mapping[str, CheckpointAnalysis], workers: int = 1, *, progress: Progress = False
) -> dict[str, pd.DataFrame]:
    """The tables of several analyses of one run, by name: kept ones as they are, the others made together.

    Arguments:
        workers: how many checkpoints to look at at a time, each in a thread of its own. Tables do not depend on it.
        progress: see `Progress`.

    Raises `CapacityError`, before anything is made, where that needs more memory than is free (`check_memory`).
    """
    kept = {name: analysis.kept(run) for name, analysis in analyses.items()}
    missing = {name: analysis for name, analysis in analyses.items() if kept[name] is None}
    made = _compute(run, list(missing.values()), workers, progress=progress) if missing else {}
    tables: dict[str, pd.DataFrame] = {}
    for name, analysis in analyses.items():
        table = kept[name]
        if table is None:
            table = made[analysis.name]
            table = table if analysis.tables is None else analysis.tables.keep(table, run)
        tables[name] = identified(run, table)
    return tables


def _compute(
    run: Run, analyses: Sequence[CheckpointAnalysis], workers: int = 1, *, progress: Progress = False
) -> dict[str, pd.DataFrame]:
    """The tables of some analyses by their names, made in one pass over the checkpoints."""
    for analysis in analyses:
        if run.basis is not None and not analysis.applies(run):
            raise ValueError(
                f"{analysis.name} looks at answers as products in a task's own group, and does not apply in a basis by "
                f"choice ({run.basis}); spectra, keys, neurons, neuron_tuning, circles and embedding_planes do"
            )
    if any(analysis.memory is not no_pairs for analysis in analyses):
        check_pairs(run)
    context = RunContext(run)
    check_memory(context, {analysis.name: analysis.memory(context) for analysis in analyses}, workers)
    chosen = {analysis.name: set(analysis.steps(run.steps)) for analysis in analyses}
    steps = sorted(set().union(*chosen.values()))

    with at_boundaries(), counted(run.name, len(steps), "checkpoint", shown=progress is True) as bar:
        done = count(1)

        def parts_at(step: int) -> dict[str, pd.DataFrame]:
            check()
            checkpoint = Checkpoint(context, step)
            parts = {
                analysis.name: analysis.measure(checkpoint) for analysis in analyses if step in chosen[analysis.name]
            }
            for part in parts.values():
                part.insert(0, "step", step)
            bar.update()
            if callable(progress):
                progress(next(done))
            return parts

        if workers == 1:
            parts_of_steps = [parts_at(step) for step in steps]
        else:
            for prepare in dict.fromkeys(analysis.prepare for analysis in analyses):
                prepare(context)
            # Threads, for almost all the time is spent in kernels that let go of the interpreter.
            with ThreadPoolExecutor(workers) as pool:
                parts_of_steps = list(pool.map(parts_at, steps))
    return {
        name: pd.concat([parts[name] for parts in parts_of_steps if name in parts], ignore_index=True)
        for name in chosen
    }
