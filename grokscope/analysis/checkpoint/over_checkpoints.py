"""Analyses that look at one checkpoint at a time, made over all checkpoints of a run in one pass.

    @over_checkpoints(version=1)
    def neurons(checkpoint: Checkpoint) -> pd.DataFrame: ...

makes `neurons` a function of a run, kept like every analysis (`cached`), with a first column `step`. Called on its
own it goes through the checkpoints for itself. `in_one_pass` makes several such tables together: it finds out which
are not kept yet and goes through the checkpoints once for all of those, sharing activations, transforms and key
sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd
from tqdm.auto import tqdm

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, Scope
from grokscope.analysis.tables.cache import cached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grokscope.runs import Run

Measure = Callable[[Checkpoint], pd.DataFrame]


class CheckpointAnalysis(Protocol):
    """An analysis of one run or several that is made of a table for each checkpoint."""

    measure: Measure
    steps: Callable[[Sequence[int]], list[int]]
    prepare: Callable[[Scope], None]

    def __call__(self, runs: Run | Sequence[Run], /) -> pd.DataFrame: ...


class _NotKept(Exception):
    """The table would have to be computed."""


_made: ContextVar[Mapping[Measure, pd.DataFrame] | None] = ContextVar("tables made in one pass", default=None)


def all_steps(steps: Sequence[int]) -> list[int]:
    return list(steps)


def spread_steps(count: int) -> Callable[[Sequence[int]], list[int]]:
    """Choose `count` checkpoints spread evenly over the list of them, the first and the last among them."""

    def choose(steps: Sequence[int]) -> list[int]:
        last = len(steps) - 1
        return [steps[i] for i in sorted({round(k * last / (count - 1)) for k in range(count)})]

    return choose


def over_checkpoints(
    version: int,
    steps: Callable[[Sequence[int]], list[int]] = all_steps,
    prepare: Callable[[Scope], None] = Scope.prepare_circuit,
) -> Callable[[Measure], CheckpointAnalysis]:
    """Make a table of one checkpoint into one of all (or of chosen) checkpoints of a run, or several runs.

    Arguments:
        version: raised by hand whenever the function gives other numbers for the same checkpoint.
        steps: which of a run's checkpoints to look at; all, if not given.
        prepare: what is to be computed before threads share a scope.
    """

    def decorate(measure: Measure) -> CheckpointAnalysis:
        def table(run: Run) -> pd.DataFrame:
            made = _made.get()
            if made is None:
                return _compute(run, [analysis])[measure]
            if measure not in made:
                raise _NotKept
            return made[measure]

        # `cached` files a table under its function's name.
        table.__module__, table.__qualname__, table.__name__ = (
            measure.__module__,
            measure.__qualname__,
            measure.__name__,
        )
        table.__doc__ = measure.__doc__
        analysis = cast("Any", cached(version)(table))
        analysis.measure, analysis.steps, analysis.prepare = measure, steps, prepare
        return analysis

    return decorate


def in_one_pass(
    run: Run, analyses: Mapping[str, CheckpointAnalysis], workers: int = 1, *, progress: bool = False
) -> dict[str, pd.DataFrame]:
    """The tables of several analyses of one run, by name: kept ones as they are, the others made together.

    Arguments:
        workers: how many checkpoints to look at at a time, each in a thread of its own. Tables do not depend on it.
        progress: show a progress bar over the checkpoints.
    """
    tables: dict[str, pd.DataFrame] = {}
    with _using({}):
        for name, analysis in analyses.items():
            try:
                tables[name] = analysis(run)
            except _NotKept:
                continue
    missing = {name: analysis for name, analysis in analyses.items() if name not in tables}
    if missing:
        made = _compute(run, list(missing.values()), workers, progress=progress)
        with _using(made):
            tables |= {name: analysis(run) for name, analysis in missing.items()}
    return {name: tables[name] for name in analyses}


@contextmanager
def _using(tables: Mapping[Measure, pd.DataFrame]) -> Iterator[None]:
    token = _made.set(tables)
    try:
        yield
    finally:
        _made.reset(token)


def _compute(
    run: Run, analyses: Sequence[CheckpointAnalysis], workers: int = 1, *, progress: bool = False
) -> dict[Measure, pd.DataFrame]:
    scope = Scope(run)
    chosen = {analysis.measure: set(analysis.steps(run.steps)) for analysis in analyses}

    def look(step: int) -> dict[Measure, pd.DataFrame]:
        checkpoint = Checkpoint(scope, step)
        parts = {measure: measure(checkpoint) for measure in chosen if step in chosen[measure]}
        for part in parts.values():
            part.insert(0, "step", step)
        return parts

    steps = sorted(set().union(*chosen.values()))
    with tqdm(total=len(steps), desc=run.name, unit="checkpoint", disable=not progress) as bar:

        def counted(step: int) -> dict[Measure, pd.DataFrame]:
            parts = look(step)
            bar.update()
            return parts

        if workers == 1:
            looks = [counted(step) for step in steps]
        else:
            for prepare in dict.fromkeys(analysis.prepare for analysis in analyses):
                prepare(scope)
            # Threads, for almost all the time is spent in kernels that let go of the interpreter.
            with ThreadPoolExecutor(workers) as pool:
                looks = list(pool.map(counted, steps))
    return {
        measure: pd.concat([parts[measure] for parts in looks if measure in parts], ignore_index=True)
        for measure in chosen
    }
