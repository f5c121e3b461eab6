"""analyze: compute the analyses of runs, and keep their tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from grokscope.cli.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

    from grokscope.runs import Run


def analyze(
    runs: Positional[tuple[Path, ...]],
    only: tuple[str, ...] = (),
    out: Path | None = None,
    show_list: Annotated[FlagCreatePairsOff[bool], arg(name="list")] = False,
) -> int:
    """Read the circuit out of every checkpoint of some runs; tables that are kept already are not made again.

    Args:
        runs: The run directories.
        only: Names of analyses, or of a family of them (fourier); left out: all that the task has.
        out: A directory to write the tables to as CSV, RUN-ANALYSIS.csv; left out: they are kept in the runs only.
        show_list: Print the name, the family and one line of each analysis, and analyse nothing.
    """
    if show_list:
        return _list_analyses()
    if not runs:
        raise ValueError("name the runs to analyse: grokscope analyze RUN... [--only fourier]; or ask for --list")
    from torch import get_num_threads, set_num_threads

    from grokscope.analysis import run_all
    from grokscope.runs import open_run

    threads, opened = get_num_threads(), [open_run(path) for path in runs]
    set_num_threads(1)  # checkpoints go side by side, one thread each
    try:
        for run in opened:
            tables = run_all(run, only or None, os.cpu_count() or 1, progress=True)
            _show(run, tables, out)
    finally:
        set_num_threads(threads)
    return 0


def _list_analyses() -> int:
    from grokscope.analysis import analyses

    print_table(
        ("analysis", "family", "what it says"),
        [
            (name, known.family, known.summary + (" On request only." if known.on_request else ""))
            for name, known in analyses().items()
        ],
    )
    return 0


def _show(run: Run, tables: Mapping[str, DataFrame], out: Path | None) -> None:
    """Print how much there is in each table of a run, and write them where that is asked for."""
    print_table(
        ("run", "analysis", "rows", "checkpoints"),
        [
            (run.name, name, len(table), table["step"].nunique() if "step" in table else None)
            for name, table in tables.items()
        ],
        numbers=("rows", "checkpoints"),
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(out / f"{run.name}-{name}.csv", index=False)
    say(f"{run.name}: kept in {run.analysis_path}" + (f", written to {out}" if out else ""))
