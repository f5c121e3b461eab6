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

from grokscope.runs.errors import RunError
from grokscope.runs.layout import PROBES
from grokscope.runs.metrics import last_by_step, metric_row
from grokscope.runs.seals import REPAIR, Seals, read_log_rows

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


def probe_lines(path: Path, seals: Seals | None = None) -> list[dict[str, Any]]:
    """All lines of a run by increasing step, of lines of one step the last; none where nothing was recorded.

    Raises `RunError` for a damaged file, and for one that does not begin with what is sealed of it.
    """
    file = path / PROBES
    is_sealed = seals is not None and PROBES in seals.starts
    lines = last_by_step(file, read_log_rows(path, PROBES, seals)) if is_sealed or file.exists() else []
    for line in lines:
        if not _are_rows(line.get("rows")):
            raise RunError(f"{file} is damaged: a line needs 'step' and 'rows'. {REPAIR}")
        if not _are_rows(line.get("margins", [])):
            raise RunError(f"{file} is damaged: the 'margins' of a line are a list. {REPAIR}")
    return lines


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def read_probes(path: Path, seals: Seals | None = None) -> DataFrame:
    """What was recorded by parameter as a table, a row per step, group and parameter (`""`: the whole group)."""
    return _table(probe_lines(path, seals), "rows", KEYS)


def read_margins(path: Path, seals: Seals | None = None) -> DataFrame:
    """What was recorded of signal, memory and noise as a table, a row per step, stage and operation."""
    return _table(probe_lines(path, seals), "margins", MARGIN_KEYS)


def read_trace(path: Path, seals: Seals | None = None) -> Trace:
    """The trace of a run. Raises `RunError` where none was recorded."""
    records = [(line["step"], line["trace"]) for line in probe_lines(path, seals) if "trace" in line]
    if not records or records[0][0] != 0:
        raise RunError(f"{path} has no trace from its start on: train it with probes.trace = true")
    steps = [step for step, _ in records]
    gap = next((step for step, after in pairwise(steps) if after != step + 1), None)
    if gap is not None:
        raise RunError(f"{path / PROBES} is damaged: the trace has a gap after step {gap}")
    try:
        return _as_trace(records)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path / PROBES} is damaged: a trace is not complete ({error!r}). {REPAIR}") from None


def _as_trace(records: list[tuple[int, Any]]) -> Trace:
    import numpy as np

    from grokscope.model import Trace

    names = tuple(records[0][1]["after"])
    taken = [record for _, record in records[1:]]

    def norms(when: str) -> np.ndarray:
        return np.array([[record[when][name] for name in names] for record in taken]).reshape(len(taken), len(names))

    start = np.array([records[0][1]["after"][name] for name in names])
    return Trace(names, start, norms("updated"), norms("after"), np.array([record["logit_std"] for record in taken]))


def _table(lines: list[dict[str, Any]], part: str, keys: Sequence[str]) -> DataFrame:
    import pandas as pd

    rows = [{"step": line["step"], **row} for line in lines for row in line.get(part, ())]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(keys))
