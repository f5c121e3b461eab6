"""Settings that come in files: the elements or the table of a group, train indices, or a whole TOML config.

A file of rows is JSON (a list of lists) or text, a row per line: integers between spaces, commas, semicolons or
tabs, with brackets around them or not; what follows `#` is a comment. A permutation of at most 10 points may be
written without separators: 02143.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.config.checks import ConfigError
from grokscope.config.plugins import load_plugins
from grokscope.groups.names import MAX_ORDER, Rows, wrong_element, wrong_table_row

_LARGEST_FILE = 64 * 2**20
"""Bytes; a table of the largest group has about two million."""


@dataclass(frozen=True)
class _Row:
    place: str
    """Where in the file: "line 3", or "row 3" of JSON."""
    values: tuple[int, ...]


def read_elements(path: str | Path) -> Rows:
    """The permutations in a file, in their order, for `task.elements`. Raises `ConfigError` naming file and line."""
    return _checked("task.elements", path, _rows("task.elements", path, packed=True), wrong_element)


def read_table(path: str | Path) -> Rows:
    """The Cayley table in a file, for `task.table`. Raises `ConfigError` naming file and line."""
    return _checked("task.table", path, _rows("task.table", path), wrong_table_row)


def read_indices(path: str | Path) -> tuple[int, ...]:
    """All integers in a file, on however many lines, for `task.train_indices`. Raises `ConfigError`."""
    indices = tuple(value for row in _rows("task.train_indices", path) for value in row.values)
    if not indices:
        raise ConfigError(f"task.train_indices: {path} is empty: use the numbers of the examples trained on")
    return indices


FILE_READERS: Mapping[str, Callable[[str | Path], Any]] = {
    "task.elements": read_elements,
    "task.table": read_table,
    "task.train_indices": read_indices,
}
"""Settings that a command line and a TOML config may give as a file, and who reads it."""


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file: nested tables as `from_dict` takes them, or full names.

    Where a setting of `FILE_READERS` has a text for a value, that names a file, relative to the TOML file's folder.
    Modules that the file names, `[plugins] modules = ["my_optimizers"]`, are imported (see `plugins`), from its folder
    too. Raises `ConfigError` for a file that cannot be read or is no TOML, and as `load_plugins` does.
    """
    try:
        settings = tomllib.loads(_text("config", path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config: {path} is not TOML: {error}") from None
    named = settings.pop("plugins", {"modules": []})
    if not isinstance(named, dict) or set(named) != {"modules"} or not isinstance(named["modules"], list):
        raise ConfigError(f'config: {path}: plugins = {named!r} is not accepted: use [plugins] modules = ["MODULE"]')
    load_plugins(named["modules"], Path(path).parent)
    for full, read in FILE_READERS.items():
        section, _, leaf = full.rpartition(".")
        table = settings.get(section)
        if isinstance(table, dict) and isinstance(table.get(leaf), str):
            table[leaf] = read(Path(path).parent / table[leaf])
    return settings


def _text(field: str, path: str | Path) -> str:
    try:
        if Path(path).stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{field}: {path} is larger than {_LARGEST_FILE // 2**20} MiB: use a smaller file")
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{field}: {path} is not text (byte {error.start}): use a text, CSV or JSON file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{field}: cannot read {str(path)!r}: {why}") from None


def _rows(field: str, path: str | Path, *, packed: bool = False) -> list[_Row]:
    text = _text(field, path)
    if text.lstrip()[:1] in ("[", "{") and (from_json := _json_rows(field, path, text)) is not None:
        return from_json
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = re.split(r"[\s,;]+", re.sub(r"[()\[\]]", " ", line.partition("#")[0]).strip())
        if words == [""]:
            continue
        if packed and len(words) == 1 and 1 < len(words[0]) <= 10 and words[0].isdecimal():
            words = list(words[0])
        wrong = next((word for word in words if not re.fullmatch(r"[+-]?[0-9]{1,18}", word)), None)
        if wrong is not None:
            raise ConfigError(f"{field}: {path}, line {number}: {wrong!r} is not an integer: use a row of integers")
        rows.append(_Row(f"line {number}", tuple(map(int, words))))
    return rows


def _json_rows(field: str, path: str | Path, text: str) -> list[_Row] | None:
    """Rows of a JSON list of lists (or one row, of a flat list); None for text in brackets, a row per line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if Path(path).suffix.lower() != ".json":
            return None
        raise ConfigError(f"{field}: {path} is not JSON: {error}") from None
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        value = [value]
    if not isinstance(value, list):
        raise ConfigError(f"{field}: {path} holds a JSON {type(value).__name__}: use a list of lists of integers")
    rows = []
    for number, row in enumerate(value, start=1):
        if not isinstance(row, list) or not row or any(type(item) is not int for item in row):
            raise ConfigError(f"{field}: {path}, row {number}: {row!r:.60} is not a row: use a list of integers")
        rows.append(_Row(f"row {number}", tuple(row)))
    return rows


def _checked(
    field: str,
    path: str | Path,
    rows: Sequence[_Row],
    wrong: Callable[[Sequence[Sequence[int]]], tuple[int, str] | None],
) -> Rows:
    if not rows:
        raise ConfigError(f"{field}: {path} is empty: use a row of integers per element")
    if len(rows) > MAX_ORDER:
        raise ConfigError(
            f"{field}: {path}, {rows[MAX_ORDER].place}: more than {MAX_ORDER} rows: use a group of at most "
            f"{MAX_ORDER} elements"
        )
    values = tuple(row.values for row in rows)
    first_wrong = wrong(values)
    if first_wrong is not None:
        row = rows[first_wrong[0]]
        raise ConfigError(f"{field}: {path}, {row.place}: {_short(row.values)} {first_wrong[1]}")
    return values


def _short(row: Sequence[int]) -> str:
    shown = ", ".join(map(str, row[:12]))
    return f"[{shown}{', ...' if len(row) > 12 else ''}]"
