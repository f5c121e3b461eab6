"""Tables as CSV, harmless to whoever opens them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

_RUN_BY_SPREADSHEETS = re.compile(r"[=+\-@\t].", re.DOTALL)
"""What spreadsheets take for a formula: a cell that begins so, unless it is a number."""


def csv_bytes(table: DataFrame) -> bytes:
    """A table as CSV in UTF-8, without its index.

    Names of runs, arms and parameters are other people's. A text that a spreadsheet would take for a formula, one that
    begins with `=`, `+`, `-`, `@` or a tab and is no number, gets an apostrophe before it. A carriage return, which
    readers of CSV take for the end of a row, becomes a space.
    """
    harmless = table.copy(deep=False)
    for name in table.columns:
        if table[name].dtype.kind not in "biufcMm":  # texts, categories, and columns of several kinds
            harmless[name] = table[name].map(_harmless)
    return harmless.rename(columns=_harmless).to_csv(index=False).encode()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if _RUN_BY_SPREADSHEETS.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text[0].isspace()
