"""Tables as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from grokscope.disk import csv_bytes

REPORTS = Path(__file__).resolve().parents[2] / "reports"


def cells(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))


# The beginnings of a formula that OWASP's page on CSV injection lists.
@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "=HYPERLINK(1)"])
@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_a_formula_is_a_text_to_a_spreadsheet(text, kind):
    table = pd.DataFrame({"arm": pd.Series([text, "clip"], dtype=kind), text: [1, 2]})
    header, first, second = cells(table)
    assert header == ["arm", f"'{text}"]
    assert first == [f"'{text}", "1"]
    assert second == ["clip", "2"]


def test_a_carriage_return_does_not_end_a_row():
    assert cells(pd.DataFrame({"arm": ["\r=1", "a\rb"]})) == [["arm"], [" =1"], ["a b"]]


@pytest.mark.parametrize("value", ["-1.5", "+3", "-inf", "1e-3", "-", "x=1", "a-b", "", -1.5, 7, None, True])
def test_numbers_and_other_texts_stay_as_they_are(value):
    table = pd.DataFrame({"value": pd.Series([value, "=x"], dtype=object)})
    assert cells(table)[1] == ["" if value is None else str(value)]


def test_numeric_columns_are_written_as_pandas_writes_them():
    table = pd.DataFrame({"a": [-1, 2], "b": [-0.1, 1e-12], "c": [True, False]})
    assert csv_bytes(table) == table.to_csv(index=False).encode()


def test_what_is_published_needs_no_apostrophe():
    tables = sorted(REPORTS.glob("**/*.csv"))
    assert tables
    for file in tables:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        assert csv_bytes(table) == table.to_csv(index=False).encode(), file
