"""Probes of a run: what was recorded about its training, a JSON line per recorded step.

A line is {"step": step, "rows": [row, ...], "margins": [row, ...], "trace": {...}}. `rows` has one for each parameter
group and each parameter, with the columns of `grokscope.training.Recorder`; `margins`, left out where it is empty, has
one for each stage of the step and each operation, with those of `grokscope.training.MarginRecorder`; `trace`, left out
where none is recorded, is that of `grokscope.training.TraceRecorder`. A run that recorded nothing has no such file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.disk.files import read_rows
from grokscope.runs.errors import RunError
from grokscope.runs.layout import PROBES
from grokscope.runs.metrics import metric_row

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame

    from grokscope.model import Trace

KEYS = ("step", "group", "parameter")
MARGIN_KEYS = ("step", "stage", "operation")


def probe_line(
    step: int,
    rows: Sequence[Mapping[str, Any]],
    margins: Sequence[Mapping[str, Any]] = (),
    trace: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One line. Raises `RunError` for values of rows that are no scalars."""
    line: dict[str, Any] = {"step": step, "rows": _plain(step, rows)}
    line |= {"margins": _plain(step, margins)} if margins else {}
    return line | ({"trace": trace} if trace else {})


def _plain(step: int, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    plain = [metric_row({"step": step, **row}) for row in rows]
    return [{name: value for name, value in row.items() if name != "step"} for row in plain]


def probe_lines(path: Path) -> list[dict[str, Any]]:
    """All lines of a run, none where nothing was recorded. Raises `RunError` for a damaged file."""
    file = path / PROBES
    lines = read_rows(file, RunError) if file.exists() else []
    for line in lines:
        if not isinstance(line.get("step"), int) or not isinstance(line.get("rows"), list):
            raise RunError(f"{file} is damaged: a line needs 'step' and 'rows'")
        if not isinstance(line.get("margins", []), list):
            raise RunError(f"{file} is damaged: the 'margins' of a line are a list")
    return lines


def read_probes(path: Path) -> DataFrame:
    """What was recorded by parameter as a table, a row per step, group and parameter (`""`: the whole group)."""
    return _table(path, "rows", KEYS)


def read_margins(path: Path) -> DataFrame:
    """What was recorded of signal, memory and noise as a table, a row per step, stage and operation."""
    return _table(path, "margins", MARGIN_KEYS)


def read_trace(path: Path) -> Trace:
    """The trace of a run. Raises `RunError` where none was recorded."""
    import numpy as np

    from grokscope.model import Trace

    records = [(line["step"], line["trace"]) for line in probe_lines(path) if "trace" in line]
    if not records or records[0][0] != 0:
        raise RunError(f"{path} has no trace from its start on: train it with probes.trace = true")
    steps = [step for step, _ in records]
    gap = next((step for step, after in pairwise(steps) if after != step + 1), None)
    if gap is not None:
        raise RunError(f"{path / PROBES} is damaged: the trace has a gap after step {gap}")
    names = tuple(records[0][1]["after"])
    taken = [record for _, record in records[1:]]

    def norms(when: str) -> np.ndarray:
        return np.array([[record[when][name] for name in names] for record in taken]).reshape(len(taken), len(names))

    start = np.array([records[0][1]["after"][name] for name in names])
    return Trace(names, start, norms("updated"), norms("after"), np.array([record["logit_std"] for record in taken]))


def _table(path: Path, part: str, keys: Sequence[str]) -> DataFrame:
    import pandas as pd

    rows = [{"step": line["step"], **row} for line in probe_lines(path) for row in line.get(part, ())]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(keys))
