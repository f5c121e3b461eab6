"""The process that analyses runs, one after the other: `python -m grokscope.cli.analysis_worker CHANNEL`.

See `grokscope.sweeps.worker` for what it is told and what it answers. What comes of a run's analysis is `tables`, a
list of [analysis, rows, checkpoints], and `not_kept`, a sentence on why they are not kept, or None.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from grokscope.disk.errors import disk_errors
from grokscope.disk.files import write_atomic
from grokscope.disk.tables import csv_bytes
from grokscope.sweeps.job import Work
from grokscope.sweeps.worker import Channel, Heartbeat, serve

if TYPE_CHECKING:
    from pandas import DataFrame

    from grokscope.runs import Run
    from grokscope.runs.reader import BasisChoice


@dataclass(frozen=True)
class AnalysisWork(Work):
    """One run is analysed, and its tables are kept in its directory."""

    program: ClassVar[str] = "grokscope.cli.analysis_worker"
    label: str
    """What the run is called."""
    checkpoints: int
    """How many the run has."""
    only: tuple[str, ...]
    """Names of analyses and families; empty: all that the run has."""
    out: str | None
    """A directory to write the tables to as CSV."""
    at_a_time: int
    """How many checkpoints go side by side."""
    basis: BasisChoice | None = None
    """The basis by choice to read it in."""

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.label

    @property
    def budget(self) -> int:
        """Checkpoints."""
        return self.checkpoints

    @property
    def threads(self) -> int:
        """One: checkpoints go side by side, one thread each."""
        return 1

    @property
    def cores(self) -> int:
        """One for each checkpoint that is looked at."""
        return self.at_a_time

    def order(self) -> dict[str, Any]:
        """What to analyse, and where tables go."""
        return {"only": list(self.only), "out": self.out, "at_a_time": self.at_a_time, "basis": self.basis}


def analyse_run(order: dict[str, Any], channel: Channel) -> None:
    """Analyse the run of an order."""
    from torch import set_num_threads

    from grokscope.analysis import run_all
    from grokscope.analysis.tables.cache import why_not_kept
    from grokscope.runs import open_run

    heartbeat = Heartbeat(channel)
    heartbeat.step(0)
    set_num_threads(1)
    run = open_run(order["path"]).in_basis(order["basis"]).sound()  # what is left out has been named
    tables = run_all(run, order["only"] or None, order["at_a_time"], progress=heartbeat.step)
    if order["out"] is not None:
        write_tables(run, tables, Path(order["out"]))
    heartbeat.step(len(run.steps))
    heartbeat.end()
    channel.send(result={"tables": sizes(tables), "not_kept": why_not_kept(run)})


def write_tables(run: Run, tables: Mapping[str, DataFrame], out: Path) -> None:
    """Write the tables of a run as RUN-ANALYSIS.csv into a directory, each whole or not at all.

    Raises `DiskError` naming the file that cannot be written.
    """
    with disk_errors(f"make {out}"):
        out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        file = out / f"{run.name}-{name}.csv"
        with disk_errors(f"write {file}"):
            write_atomic(file, csv_bytes(table))


def sizes(tables: Mapping[str, DataFrame]) -> list[tuple[str, int, int | None]]:
    """Name, rows and checkpoints of each table; None where a table is not about checkpoints."""
    return [
        (name, len(table), len(table["step"].unique()) if "step" in table else None) for name, table in tables.items()
    ]


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), analyse_run))
