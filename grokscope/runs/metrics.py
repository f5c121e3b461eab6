"""Metrics of a run: JSON lines as they come, and the same table as Parquet at the end.

metrics.jsonl is kept: it is what a resume continues. metrics.parquet is made from it when a run ends,
for whoever reads tables, and removed when the run is reopened, so that it is never behind. A loss that is
not finite is written as NaN or Infinity, as Python's json does.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.disk.files import write_atomic
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.layout import METRICS, METRICS_TABLE
from grokscope.runs.seals import REPAIR, Seals, read_log_rows

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("step", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
"""Columns of a table without rows. A run has these, and whatever else was logged."""


def metric_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as JSON values, `step` first; scalars of numpy and torch become numbers.

    Raises `RunError` for a row without an integer step, or with a value that is no scalar.
    """
    values = {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
    step = values.pop("step", None)
    if type(step) is not int or step < 0:
        raise RunError(f"metrics row has step = {step!r}: use an integer >= 0")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, bool | int | float | str | None):
            raise RunError(f"metrics row at step {step} has {name!r} = {value!r}: use a number, text or None")
    return {"step": step, **values}


def metric_rows(path: Path, seals: Seals | None = None) -> list[dict[str, Any]]:
    """All rows that a run has logged, by increasing step; of rows of one step the last holds.

    Raises `RunError` for a missing or damaged file, and for one that does not begin with what is sealed of it.
    """
    return last_by_step(path / METRICS, read_log_rows(path, METRICS, seals))


def last_by_step(file: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by increasing step, the last of each: a kill during a resume may leave those that it makes again.

    Raises `RunError` naming the file for a row without a step.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for row in rows:
        step = row.get("step")
        if type(step) is not int or step < 0:
            raise RunError(f"{file} is damaged: a row has step = {step!r}. {REPAIR}")
        by_step[step] = row
    return [by_step[step] for step in sorted(by_step)]


def write_table(path: Path) -> None:
    """Write metrics.parquet from metrics.jsonl. Raises OSError, and `RunError` for a damaged file."""
    import pyarrow
    from pyarrow import parquet

    rows, buffer = metric_rows(path), io.BytesIO()
    names = dict.fromkeys(name for row in rows for name in row) or COLUMNS
    # Not by pandas, whose import takes as long as some runs' first hundred steps.
    parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    write_atomic(path / METRICS_TABLE, buffer.getvalue())


def read_table(path: Path, seals: Seals | None = None) -> DataFrame:
    """The metrics of a run, finished or not; from the table if there is one that is as it was written.

    Raises `RunError` as `metric_rows` does.
    """
    import pandas as pd
    from pyarrow import ArrowException

    file = path / METRICS_TABLE
    with suppress(ArrowException, RunError):  # it can be made again from the lines, which have errors of their own
        if seals is not None and METRICS_TABLE in seals.whole:
            return pd.read_parquet(io.BytesIO(seals.whole[METRICS_TABLE].read(path)))
        if seals is None and file.exists():
            with run_errors(f"read {file}"):
                return pd.read_parquet(file)
    return as_table(metric_rows(path, seals))


def as_table(rows: list[dict[str, Any]]) -> DataFrame:
    """Rows as a table, a column for every name that occurs."""
    import pandas as pd  # late: half a second that training and listing do without

    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(COLUMNS))
