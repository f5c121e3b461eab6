"""Parts of a tidy table: its rows with given keys, its columns as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float


def where(table: pd.DataFrame, **keys: object) -> pd.DataFrame:
    """The rows whose columns have the given values: `where(table, run="a", split="val")`; what is missing has none."""
    chosen = np.ones(len(table), dtype=bool)
    for column, value in keys.items():
        chosen &= (table[column] == value).to_numpy(dtype=bool, na_value=False)
    return table.loc[chosen]


def numbers(table: pd.DataFrame, column: str) -> Float[np.ndarray, "row"]:
    """A column as floats, NaN where it is missing."""
    return pd.Series(table[column]).to_numpy(dtype=np.float64, na_value=np.nan)


def reached(milestones: pd.DataFrame, milestone: str) -> Float[np.ndarray, "run"]:
    """The steps of a milestone, of those runs that reached it."""
    steps = numbers(milestones, milestone)
    return steps[~np.isnan(steps)]


def names(table: pd.DataFrame, column: str) -> list[str]:
    """What occurs in a column of text, each once, in order of appearance."""
    return list(dict.fromkeys(map(str, table[column])))
