"""What an arm may ask for: the bound of its task, traces of another seed, and what was measured on those.

Traces are recorded before the arms that follow them. What is measured on them is written down with the rows of the
experiment, so that another machine sets the same numbers without recording them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from grokscope.disk.files import digest, write_atomic
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.why_clipping.tasks import bound
from grokscope.model import Trace, read_trace

Traced = Literal["clip", "free"]
"""The runs that traces are of: projection and clip, and the projection alone."""
TRACED: tuple[Traced, ...] = ("clip", "free")
TRACE_SEED = 200
"""The seed of all traces, which no arm has."""
MEASURED = "measured.csv"
DIGITS = 3
"""Significant digits of what is measured and then set."""


class NotYet(Exception):
    """An arm depends on runs that have not ended."""


@dataclass
class Setting:
    """What the arms of a task are made from.

    Arguments:
        task: by its preset's name.
        runs: the folder of the experiment's runs, traces below it.
        out: the folder of its published rows.
        tuned: the best value of what is tuned, by name; empty before the tuning has ended.
    """

    task: str
    runs: Path
    out: Path
    tuned: dict[str, float] = field(default_factory=dict)

    @property
    def bound(self) -> float:
        """The published bound on row norms."""
        return bound(self.task)

    def trace_file(self, of: Traced) -> Path:
        """Where a trace is kept."""
        return self.runs / "traces" / f"{self.task}-{of}.safetensors"

    def reference(self, of: Traced) -> str:
        """How settings name a trace; with a digest of zeros as long as it is not recorded here."""
        file = self.trace_file(of)
        return f"{file}@{_digest_of(file)}"

    def trace(self, of: Traced) -> Trace:
        """A trace. Raises `NotYet` where it is not recorded here."""
        if not self.trace_file(of).exists():
            raise NotYet(f"the trace of {of} on {self.task}")
        return read_trace("trace", self.reference(of))

    def best(self, name: str) -> float:
        """What was tuned. Raises `NotYet` before the tuning has ended."""
        if name not in self.tuned:
            raise NotYet(f"the tuning of {name}")
        return self.tuned[name]

    def measured(self, name: str, measure: Callable[[], float]) -> float:
        """A number that is measured once and then written down. Raises `NotYet` as `measure` does."""
        if name not in self._measured:
            self._measured[name] = float(f"{measure():.{DIGITS}g}")
            _write_down(self.out / MEASURED, self.task, name, self._measured[name])
        return self._measured[name]

    @cached_property
    def _measured(self) -> dict[str, float]:
        known = _written_down(self.out / MEASURED)
        of_task = known.loc[known["task"] == self.task]
        return dict(zip(of_task["name"], of_task["value"].astype(float), strict=True))


def _digest_of(file: Path) -> str:
    return digest(file.read_bytes()) if file.exists() else "0" * 64


def _written_down(file: Path) -> pd.DataFrame:
    return pd.read_csv(file) if file.exists() else pd.DataFrame({"task": [], "name": [], "value": []})


def _write_down(file: Path, task: str, name: str, value: float) -> None:
    row = pd.DataFrame([{"task": task, "name": name, "value": value}])
    known = _written_down(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pd.concat([known, row], ignore_index=True) if len(known) else row
    write_atomic(file, csv_bytes(table.sort_values(["task", "name"])))
