"""One reader of matrices as people have them: rows of entries, the names of rows and columns, and what was recognised.

    CSV, and text between spaces, tabs or semicolons    with or without a header and row names, as pandas writes them
    floats that are whole numbers                       as `np.savetxt` writes them
    .npy                                                read without pickle
    JSON                                                a list of lists
    GAP                                                 a list of lists between `name :=` and `;`

Brackets around the rows of a text do not matter, and what follows `#` is a comment. A hole is an entry that is empty,
`-`, `nan`, `NA` or null. A first line is a header where its first cell is empty or an operation's sign, where it has a
cell less than the others, where it holds words above numbers, and, of a matrix that must be square, where there is a
row too many. A text whose first cell is empty has names there, and so a hole in that place is written as `-`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grokscope.config.checks import ConfigError, shortened

LARGEST_FILE = 64 * 2**20
"""Bytes; a table of the largest group has about two million, or thirteen as `np.savetxt` writes it."""
MOST_LINES = 2**20
"""Lines of a text; as many examples has the longest task whose train indices are given, one a line."""
HOLES = ("", "-", "nan", "na", "null", "none")
"""Entries that are none, in small letters."""

Cell = int | str | None
"""An entry: a number, a name, or None for a hole."""
Note = Callable[[str], None]
"""Who is told, in a sentence, what was recognised in a file."""

_NUMERAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_OPERATION_SIGN = re.compile(r"\W+|\w+\s*[\\/|]\s*\w+")
_GAP = re.compile(r"\s*(?P<name>[A-Za-z_]\w*\s*:=)?\s*(?P<list>\[.*\])\s*(?P<end>;*)\s*", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One row of a matrix."""

    place: str
    """Where in the file: "line 3", or "row 3" of JSON and of arrays."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """The entries of a file, and what its names and its form are."""

    field: str
    """The setting that it is read for, as errors name it."""
    path: Path
    rows: tuple[Row, ...]
    row_names: tuple[str, ...] | None
    column_names: tuple[str, ...] | None
    form: str
    """What was recognised, in words."""
    is_gap: bool
    """Whether it is a GAP list, whose entries are numbered from 1."""

    def error(self, row: int, why: str) -> ConfigError:
        """The error of a row."""
        return ConfigError(f"{self.field}: {self.path}, {self.rows[row].place}: {why}")


def tell_nobody(sentence: str) -> None:
    """The `Note` of a caller that does not show what was recognised."""


def read_matrix(field: str, path: str | Path, *, square: bool = False, packed: bool = False) -> Matrix:
    """The matrix in a file.

    Arguments:
        field: the setting that it is read for, named in errors.
        square: the entries, without header and row names, must be as many in a row as there are rows.
        packed: a row may be written without separators, a digit per entry: 02143.

    Raises `ConfigError`, naming file, line or row and value, for a file that is too large or cannot be read, for
    entries that are no whole numbers, and for names that occur twice.
    """
    file = Path(path)
    rows, form, is_gap = _rows(field, file, packed)
    if not rows:
        raise ConfigError(f"{field}: {file} is empty: use a row of entries per line")
    from_text = rows[0].place.startswith("line")
    rows, row_names, column_names, named = _without_names(rows, square, from_text)
    if not rows:
        raise ConfigError(f"{field}: {file} holds names and no entries: use a row of entries per line")
    for axis, names in (("row", row_names), ("column", column_names)):
        twice = next((name for name, count in Counter(names or ()).items() if count > 1), None)
        if twice is not None:
            raise ConfigError(f"{field}: {file}: the {axis} name {twice!r} occurs twice: use a name for each {axis}")
    return Matrix(field, file, rows, row_names, column_names, f"{form}{named}", is_gap)


def read_integers(field: str, path: str | Path) -> tuple[int, ...]:
    """All integers in a file, on however many lines. Raises `ConfigError`, naming file, line and value."""
    integers: list[int] = []
    for row in _rows(field, Path(path), packed=False)[0]:
        for cell in row.cells:
            if not isinstance(cell, int):
                raise ConfigError(
                    f"{field}: {path}, {row.place}: {'' if cell is None else shortened(cell)} is not an integer: "
                    "use a row of integers"
                )
            integers.append(cell)
    return tuple(integers)


def read_text(field: str, path: str | Path) -> str:
    """The text of a file. Raises `ConfigError` for one that is too large, is no text or cannot be read."""
    try:
        return read_bytes(field, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{field}: {path} is not text (byte {error.start}): use a text, CSV, JSON or .npy file"
        ) from None


def read_bytes(field: str, path: str | Path) -> bytes:
    """The content of a file. Raises `ConfigError` for one that is too large or cannot be read."""
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{field}: {path} is larger than {LARGEST_FILE // 2**20} MiB: use a smaller file")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{field}: cannot read {str(path)!r}: {why}") from None


def _rows(field: str, path: Path, packed: bool) -> tuple[tuple[Row, ...], str, bool]:
    """Rows of a file with names and all, the form that it has, and whether it is a GAP list."""
    if path.suffix.lower() == ".npy":
        return _array_rows(field, path), "a NumPy array", False
    text = read_text(field, path)
    if text.lstrip()[:1] in ("[", "{"):
        values = _parsed(text)
        if values is not None:
            return _list_rows(field, path, values), "JSON", False
        if path.suffix.lower() == ".json":
            raise ConfigError(f"{field}: {path} is not JSON: {_why_not_json(text)}")
    without_comments = re.sub(r"#.*", "", text)
    gap = _GAP.fullmatch(without_comments)
    if gap is not None and (gap["name"] or gap["end"] or "#" in text):
        values = _parsed(gap["list"])
        if isinstance(values, list) and all(isinstance(row, list) for row in values):
            return _list_rows(field, path, values), "a GAP list", True
    return (*_text_rows(field, path, without_comments, packed), False)


def _array_rows(field: str, path: Path) -> tuple[Row, ...]:
    import numpy as np

    try:
        array = np.load(io.BytesIO(read_bytes(field, path)), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{field}: {path} is no .npy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iufUb":
        shown = f"shape {array.shape} and type {array.dtype}" if isinstance(array, np.ndarray) else "several arrays"
        raise ConfigError(f"{field}: {path} has {shown}: use a two-dimensional array of integers")
    return _list_rows(field, path, array.astype(np.int64).tolist() if array.dtype.kind == "b" else array.tolist())


def _parsed(text: str) -> Any:
    """The value of a JSON text; None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _why_not_json(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return str(error)
    return "it holds null"


def _list_rows(field: str, path: Path, value: Any) -> tuple[Row, ...]:
    """Rows of a list of lists, or one row of a flat list."""
    if isinstance(value, list) and value and not any(isinstance(item, list) for item in value):
        value = [value]
    if not isinstance(value, list):
        raise ConfigError(f"{field}: {path} holds a JSON {type(value).__name__}: use a list of lists of integers")
    rows = []
    for number, row in enumerate(value, start=1):
        place = f"row {number}"
        known = (int, float, str, type(None))
        if not isinstance(row, list) or not row or any(type(item) not in known for item in row):
            raise ConfigError(f"{field}: {path}, {place}: {row!r:.60} is not a row: use a list of integers")
        rows.append(row)
    return _cell_rows(field, path, [f"row {number}" for number in range(1, len(rows) + 1)], rows)


def _text_rows(field: str, path: Path, text: str, packed: bool) -> tuple[tuple[Row, ...], str]:
    if text.count("\n") > MOST_LINES:
        raise ConfigError(f"{field}: {path} has more than {MOST_LINES} lines: use several entries a line")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    split = [re.split(r"[\s,;]+", re.sub(r"[()\[\]]", " ", line).strip(" \t\r,;")) for _, line in lines]
    if packed and all(len(words) == 1 and 1 < len(words[0]) <= 10 and words[0].isdecimal() for words in split):
        split = [list(words[0]) for words in split]
    has_empty = any(re.search(r"(^|[,;\t])[ ]*[,;\t]", line) or re.search(r"[,\t][ ]*$", line) for _, line in lines)
    is_plain = all(map(_NUMERAL.fullmatch, {word for words in split for word in words}))
    form = "text"
    if not is_plain or (has_empty and not any(set(line) & set("[]()") for _, line in lines)):
        delimiter = next((mark for mark in "\t;," if all(mark in line for _, line in lines)), None)
        split = [_named_words(line, delimiter) for _, line in lines]
        form = {None: "text", "\t": "tab-separated text", ";": "text between semicolons", ",": "CSV"}[delimiter]
    elif all("," in line for _, line in lines):
        form = "CSV"
    every = {word for words in split for word in words}
    has_floats = any(_NUMERAL.fullmatch(word) and not _INTEGER.fullmatch(word) for word in every)
    form += " of floats that are whole numbers" if has_floats else ""
    places = [f"line {number}" for number, _ in lines]
    return _cell_rows(field, path, places, split), form


def _named_words(line: str, delimiter: str | None) -> list[str]:
    bare = line.strip(" \r\n")
    if bare[:1] in ("[", "(") and bare.rstrip(",;")[-1:] in ("]", ")"):
        bare = bare.rstrip(",;")[1:-1]
    if delimiter is None:
        return bare.split()
    try:
        words = next(csv.reader([bare], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:  # a field is longer than csv reads: it is no number, and no name either
        words = [bare]
    return [word.strip() for word in words]


def _cell_rows(
    field: str, path: Path, places: Sequence[str], rows: Sequence[Sequence[int | float | str | None]]
) -> tuple[Row, ...]:
    cells: dict[object, Cell] = {}  # a table has many entries and few different ones
    for place, row in zip(places, rows, strict=True):
        cells |= {value: _cell(field, path, place, value) for value in row if value not in cells}
    return tuple(Row(place, tuple(map(cells.__getitem__, row))) for place, row in zip(places, rows, strict=True))


def _cell(field: str, path: Path, place: str, value: int | float | str | None) -> Cell:
    """An entry as a number, a name or a hole. Raises `ConfigError` for a number that is not whole."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if value.lower() in HOLES:
            return None
        if _INTEGER.fullmatch(value):
            return int(value)
        if not _NUMERAL.fullmatch(value):
            return value
    number = float(value)
    if not math.isfinite(number) or not number.is_integer() or abs(number) >= 2**53:
        shown = value if isinstance(value, str) else repr(value)
        raise ConfigError(f"{field}: {path}, {place}: {shown!r:.40} is not an integer: use a row of integers")
    return int(number)


def _without_names(
    rows: tuple[Row, ...], square: bool, from_text: bool
) -> tuple[tuple[Row, ...], tuple[str, ...] | None, tuple[str, ...] | None, str]:
    """The rows of entries, row names, column names, and what was recognised, in words."""
    first, width = rows[0].cells, max(len(row.cells) for row in rows)
    if len(rows) > 1 and len(first) + 1 == width and all(len(row.cells) == width for row in rows[1:]):
        body = _without_first_column(rows[1:])
        return body, _first_column(rows[1:]), _names(first), ", with a header and row names"
    header, column = _has_header(rows, square, from_text), _has_row_names(rows, square, from_text)
    body, names = rows, None
    if header:
        body, names = rows[1:], _names(first[1:] if column else first)
    row_names = _first_column(body) if column else None
    body = _without_first_column(body) if column else body
    said = {(True, True): ", with a header and row names", (True, False): ", with a header"}
    return body, row_names, names, said.get((header, column), ", with row names" if column else "")


def _has_header(rows: tuple[Row, ...], square: bool, from_text: bool) -> bool:
    first, below = rows[0].cells, rows[1:]
    if not below or len(first) != len(below[0].cells):
        return False
    if _has_corner(rows, from_text):
        return True
    # A word in front of numbers alone is the name of the first row, where other rows have one too.
    rest_is_named = any(isinstance(row.cells[0], str) for row in below) and len(first) > 1
    words = first[1:] if rest_is_named else first
    if any(isinstance(cell, str) for cell in words) and not _has_words(_without_first_column(below)):
        return True
    is_row_too_many = square and len(rows) == len(first) + 1
    return is_row_too_many and (len(set(first)) == len(first) and (_has_words(rows) or _is_count(first)))


def _has_row_names(rows: tuple[Row, ...], square: bool, from_text: bool) -> bool:
    first, below = rows[0].cells, rows[1:]
    if len(first) < 2 or any(len(row.cells) < 2 for row in below):
        return False
    if _has_corner(rows, from_text):
        return True
    column = [row.cells[0] for row in below]
    if not _has_words(_without_first_column(below)) and any(isinstance(cell, str) for cell in column):
        return _has_header(rows, square, from_text) or not _has_words(_without_first_column(rows))
    if isinstance(first[0], str) and below and all(isinstance(cell, int) for cell in first[1:]):
        return not _has_words(_without_first_column(below))
    height = len(rows) - _has_header(rows, square, from_text)
    is_column_too_many = square and len(first) == height + 1
    return is_column_too_many and (_has_words(rows) or _is_count(tuple(row.cells[0] for row in rows[-height:])))


def _has_corner(rows: tuple[Row, ...], from_text: bool) -> bool:
    """Whether the first cell stands between the names of rows and those of columns."""
    corner, across, down = rows[0].cells[0], rows[0].cells[1:], tuple(row.cells[0] for row in rows[1:])
    if not across or not down or not from_text:
        return False
    are_names = all(None not in names and len(set(names)) == len(names) for names in (across, down))
    is_sign = isinstance(corner, str) and _OPERATION_SIGN.fullmatch(corner) is not None
    return are_names and (corner is None or is_sign)


def _is_count(cells: Sequence[Cell]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return tuple(cells) in (tuple(range(len(cells))), tuple(range(1, len(cells) + 1)))


def _has_words(rows: Sequence[Row]) -> bool:
    return any(isinstance(cell, str) for row in rows for cell in row.cells)


def _first_column(rows: Sequence[Row]) -> tuple[str, ...]:
    return _names([row.cells[0] for row in rows])


def _without_first_column(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(replace(row, cells=row.cells[1:]) for row in rows)


def _names(cells: Sequence[Cell]) -> tuple[str, ...]:
    return tuple("" if cell is None else str(cell) for cell in cells)
