"""Settings that come in files: elements, tables, labels, train indices, or a whole TOML config.

Matrices are read by `grokscope.config.matrices`, in every form that is told there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.config.checks import DEEPEST, ConfigError, is_too_deep, shortened
from grokscope.config.labels import labels_of_matrix
from grokscope.config.matrices import Cell, Matrix, Note, read_integers, read_matrix, read_text, tell_nobody
from grokscope.config.plugins import load_plugins
from grokscope.groups.names import MAX_ORDER, Rows, wrong_element, wrong_table_row

_LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){100}""")
"""Tables inside one another by a dotted key: to read one takes the time of its length squared."""


def read_elements(path: str | Path) -> Rows:
    """The permutations in a file, in their order, for `task.elements`. Raises `ConfigError` naming file and line."""
    return elements_settings(path)["task.elements"]


def read_table(path: str | Path) -> Rows:
    """The Cayley table in a file, for `task.table`. Raises `ConfigError` naming file and line."""
    return table_settings(path)["task.table"]


def read_indices(path: str | Path) -> tuple[int, ...]:
    """All integers in a file, on however many lines, for `task.train_indices`. Raises `ConfigError`."""
    indices = read_integers("task.train_indices", path)
    if not indices:
        raise ConfigError(f"task.train_indices: {path} is empty: use the numbers of the examples trained on")
    return indices


def elements_settings(path: str | Path, note: Note = tell_nobody) -> dict[str, Any]:
    """`task.elements`, and `task.names` where the rows have names, of a file. Points may be numbered from 1."""
    matrix = read_matrix("task.elements", path, packed=True)
    rows = _integers(matrix)
    said = ""
    if all(sorted(row) == list(range(1, len(row) + 1)) for row in rows):
        rows, said = [tuple(point - 1 for point in row) for row in rows], "; points are numbered from 1"
    elements = _checked(matrix, rows, wrong_element)
    _tell(matrix, note, f"{len(elements)} permutations of {len(elements[0])} points", said)
    named = {"task.names": matrix.row_names} if matrix.row_names is not None else {}
    return {"task.elements": elements, **named}


def table_settings(path: str | Path, note: Note = tell_nobody) -> dict[str, Any]:
    """`task.table`, and `task.names` where the elements have names, of a file. Elements may be numbered from 1."""
    matrix = read_matrix("task.table", path, square=True)
    names, said = _element_names(matrix)
    rows = _integers(matrix, names)
    one_based = not names and all(sorted(row) == list(range(1, len(rows) + 1)) for row in rows)
    if one_based:
        rows, said = [tuple(entry - 1 for entry in row) for row in rows], "; elements are numbered from 1"
    table = _checked(matrix, rows, wrong_table_row)
    _tell(matrix, note, f"a table of {len(table)} elements", said)
    is_count = names == tuple(map(str, range(len(table))))
    return {"task.table": table, **({"task.names": names} if names and not is_count else {})}


def labels_settings(path: str | Path, note: Note = tell_nobody) -> dict[str, Any]:
    """`task.labels` of a file."""
    matrix = read_matrix("task.labels", path)
    labels, said = labels_of_matrix(matrix)
    _tell(matrix, note, f"labels of {len(matrix.rows)} x {len(matrix.rows[0].cells)} pairs", said)
    return {"task.labels": labels}


def _indices_settings(path: str | Path, note: Note = tell_nobody) -> dict[str, Any]:
    return {"task.train_indices": read_indices(path)}


FILE_READERS: Mapping[str, Callable[[str | Path, Note], dict[str, Any]]] = {
    "task.elements": elements_settings,
    "task.table": table_settings,
    "task.labels": labels_settings,
    "task.train_indices": _indices_settings,
}
"""Settings that a command line and a TOML config may give as a file, and who reads it: that setting and what else is in
the file (names), by full name."""


def read_settings(path: str | Path, note: Note = tell_nobody) -> dict[str, Any]:
    """The settings in a TOML file: nested tables as `from_dict` takes them, or full names.

    Where a setting of `FILE_READERS` has a text for a value, that names a file, relative to the TOML file's folder.
    Modules that the file names, `[plugins] modules = ["my_optimizers"]`, are imported (see `plugins`), from its folder
    too. Raises `ConfigError` for a file that cannot be read, is no TOML or nests too deep, and as `load_plugins` does.
    """
    text = read_text("config", path)
    try:
        settings = None if _LONG_KEY.search(text) else tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and that of an integer of thousands of digits
        raise ConfigError(f"config: {path} is not TOML: {error}") from None
    except RecursionError:
        settings = None
    if settings is None or is_too_deep(settings):
        raise ConfigError(
            f"config: {path} has lists or tables inside one another, more than {DEEPEST} levels deep: no setting does"
        )
    named = settings.pop("plugins", {"modules": []})
    if not isinstance(named, dict) or set(named) != {"modules"} or not isinstance(named["modules"], list):
        raise ConfigError(
            f'config: {path}: plugins = {shortened(named)} is not accepted: use [plugins] modules = ["MODULE"]'
        )
    load_plugins(named["modules"], Path(path).parent)
    for full, read in FILE_READERS.items():
        section, _, leaf = full.rpartition(".")
        table = settings.get(section)
        if isinstance(table, dict) and isinstance(table.get(leaf), str):
            found = read(Path(path).parent / table.pop(leaf), note)
            settings[section] = {**{name.rpartition(".")[2]: value for name, value in found.items()}, **table}
    return settings


def _element_names(matrix: Matrix) -> tuple[tuple[str, ...], str]:
    """The names of the elements of a table, and where they are from, in words; none at all if it has none."""
    rows, columns = matrix.row_names, matrix.column_names
    if rows is not None and columns is not None and rows != columns:
        raise ConfigError(
            f"{matrix.field}: {matrix.path}: rows are called {_short(rows)} and columns {_short(columns)}: "
            "use the same names in the same order"
        )
    if rows is not None or columns is not None:
        return rows or columns or (), ""
    first = matrix.rows[0].cells
    column = tuple(row.cells[0] for row in matrix.rows)
    if all(isinstance(cell, str) for cell in first) and first == column:
        return tuple(map(str, first)), "; elements have the names of the first row"
    return (), ""


def _integers(matrix: Matrix, names: Sequence[str] = ()) -> list[tuple[int, ...]]:
    """The entries as numbers of elements: a name stands for its place among the names."""
    place = {name: number for number, name in enumerate(names)}
    by_name = bool(names) and all(str(cell) in place for row in matrix.rows for cell in row.cells)
    rows = []
    for number, row in enumerate(matrix.rows):
        for cell in row.cells:
            if cell is None:
                raise matrix.error(number, "an entry is empty: use an element in every place")
            if isinstance(cell, str) and cell not in place:
                known = f"use one of the names {_short(names)}" if names else "use a row of integers"
                raise matrix.error(number, f"{shortened(cell)} is not an {'element' if names else 'integer'}: {known}")
        rows.append(tuple(_number(cell, place, by_name) for cell in row.cells))
    return rows


def _number(cell: Cell, place: Mapping[str, int], by_name: bool) -> int:
    return place[str(cell)] if by_name or isinstance(cell, str) else int(cell or 0)


def _tell(matrix: Matrix, note: Note, what: str, said: str) -> None:
    note(f"{matrix.field}: {matrix.path} is {matrix.form}: {what}{said}")


def _checked(
    matrix: Matrix,
    rows: Sequence[tuple[int, ...]],
    wrong: Callable[[Sequence[Sequence[int]]], tuple[int, str] | None],
) -> Rows:
    if len(rows) > MAX_ORDER:
        why = f"more than {MAX_ORDER} rows: use a group of at most {MAX_ORDER} elements"
        raise matrix.error(MAX_ORDER, why)
    first_wrong = wrong(rows)
    if first_wrong is not None:
        number, why = first_wrong
        raise matrix.error(number, f"{_short(rows[number])} {why}")
    return tuple(rows)


def _short(row: Sequence[object]) -> str:
    shown = ", ".join(map(str, row[:12]))
    return f"[{shown}{', ...' if len(row) > 12 else ''}]"
