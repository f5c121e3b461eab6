"""Many runs for a published table: what is missing is trained, what was interrupted resumed, what is finished read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from grokscope.analysis import timing_table
from grokscope.config import RunConfig
from grokscope.runs import Run

WORKERS = 2
TIMING = ["arm", "seed", "memorisation_step", "grok_step", "sustained_grok_step", "delay", "budget", "status"]
Row = dict[str, Any]


def finished(path: Path, config: RunConfig) -> Run:
    """The run at a path, trained to its end."""
    import grokscope as gs

    if not (path / "config.json").exists():
        return gs.train(config, out=path, progress=False)
    run = gs.resume(path, progress=False)
    if run.config != config:
        raise ValueError(f"{path} holds a run of other settings; move it away")
    return run


def rows(jobs: Mapping[Path, RunConfig], row: Callable[[Run], Row], console: Console) -> Iterator[Row]:
    """A row of a table for each run, in the order in which they end, made by two one-thread workers.

    Arguments:
        jobs: config of every run, by its directory.
        row: a function of a module, so that a worker can import it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers when they import torch
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(partial(_made, path, config, row)) for path, config in jobs.items()]
        for number, job in enumerate(as_completed(pending), start=1):
            made = job.result()
            console.print(f"{number}/{len(pending)} {made}")
            yield made


def _made(path: Path, config: RunConfig, row: Callable[[Run], Row]) -> Row:
    return row(finished(path, config))


def medians(table: pd.DataFrame, by: str | list[str], columns: list[str]) -> pd.DataFrame:
    """Medians of groups, in order of appearance; a run that has no value counts as later than all (infinite)."""
    filled = table.assign(**{column: table[column].astype(float).fillna(float("inf")) for column in columns})
    return filled.groupby(by, sort=False)[columns].median()


def timing(run: Run) -> Row:
    """When a run memorised and grokked, in steps; None where it did not within its budget."""
    row = timing_table(run)[TIMING].to_dict("records")[0]
    return {name: None if pd.isna(value) else value for name, value in row.items()}
