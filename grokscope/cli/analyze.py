"""analyze: compute the analyses of runs, and keep their tables."""

from __future__ import annotations

import os
from pathlib import Path

from tyro.conf import Positional

from grokscope.cli.output import print_table, say


def analyze(runs: Positional[tuple[Path, ...]], only: tuple[str, ...] = (), out: Path | None = None) -> int:
    """Read the circuit out of every checkpoint of some runs; tables that are kept already are not made again.

    Args:
        runs: The run directories.
        only: Names of analyses, or of a family of them (fourier); left out: all that the task has.
        out: A directory to write the tables to as CSV, RUN-ANALYSIS.csv; left out: they are kept in the runs only.
    """
    if not runs:
        raise ValueError("name the runs to analyse: grokscope analyze RUN... [--only fourier]")
    from torch import get_num_threads, set_num_threads

    from grokscope.analysis import run_all
    from grokscope.runs import open_run

    threads, opened = get_num_threads(), [open_run(path) for path in runs]
    set_num_threads(1)  # checkpoints go side by side, one thread each
    try:
        for run in opened:
            tables = run_all(run, only or None, os.cpu_count() or 1, progress=True)
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
    finally:
        set_num_threads(threads)
    return 0
