"""Metrics of a run: JSON lines as they come, and the same table as Parquet at the end.

metrics.jsonl is kept: it is what a resume continues. metrics.parquet is made from it when a run ends,
for whoever reads tables, and removed when the run is reopened, so that it is never behind. A loss that is
not finite is written as NaN or Infinity, as Python's json does.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.disk.files import read_rows, write_atomic
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.layout import METRICS, METRICS_TABLE

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


def metric_rows(path: Path) -> list[dict[str, Any]]:
    """All rows that a run has logged. Raises `RunError` for a missing or damaged file."""
    return read_rows(path / METRICS, RunError)


def write_table(path: Path) -> None:
    """Write metrics.parquet from metrics.jsonl. Raises OSError, and `RunError` for a damaged file."""
    import pyarrow
    from pyarrow import parquet

    rows, buffer = metric_rows(path), io.BytesIO()
    names = dict.fromkeys(name for row in rows for name in row) or COLUMNS
    # Not by pandas, whose import takes as long as some runs' first hundred steps.
    parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    write_atomic(path / METRICS_TABLE, buffer.getvalue())


def read_table(path: Path) -> DataFrame:
    """The metrics of a run, finished or not. Raises `RunError` for missing or damaged files."""
    import pandas as pd
    from pyarrow import ArrowException

    file = path / METRICS_TABLE
    if not file.exists():
        return as_table(metric_rows(path))
    try:
        with run_errors(f"read {file}"):
            return pd.read_parquet(file)
    except (ArrowException, RunError):
        # It can be made again from the lines, which raise an error of their own where they cannot be read.
        return as_table(metric_rows(path))


def as_table(rows: list[dict[str, Any]]) -> DataFrame:
    """Rows as a table, a column for every name that occurs."""
    import pandas as pd  # late: half a second that training and listing do without

    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(COLUMNS))
