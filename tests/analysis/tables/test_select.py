"""Parts of tables: what is missing is no value."""

import pandas as pd
import pytest

from grokscope.analysis.tables.select import where


@pytest.mark.parametrize("dtype", ["string", "Int64", "object", "float64"])
def test_a_missing_value_equals_none(dtype):
    values = ["1", None, "2"] if dtype in ("string", "object") else [1, None, 2]
    table = pd.DataFrame({"key": pd.Series(values, dtype=dtype), "at": [0, 1, 2]})
    assert list(where(table, key=values[2])["at"]) == [2]
    assert where(table, key="3").empty
