"""A function of two operands given by its labels, as the setting `task.labels`: which token each operand and answer is.

Without names, operand i is token i, left and right alike, and label v is token v. There may be more rows than columns,
or fewer.

With names, one name is one token, wherever it stands. The answers come first, then the operands that are no answers,
each in the order of rows, columns and entries. Entries that are numbers are names too (`3` is called "3"), but for one
case: where rows and columns have the same names and every entry is below their number, entry v is element v.
"""

from __future__ import annotations

from collections.abc import Sequence

from grokscope.config.checks import ConfigError, shortened
from grokscope.config.matrices import Cell, Matrix
from grokscope.config.stored import Stored
from grokscope.groups.names import MAX_ORDER

MAX_EXAMPLES = MAX_ORDER**2
"""Pairs in a table: those of the largest group. All of them are evaluated at once, as those of a group are."""
MAX_TOKENS = 10 * MAX_ORDER
"""Different labels, or operands: a mistyped number would otherwise make an embedding that fills the memory."""


def labels_of_matrix(matrix: Matrix) -> tuple[Stored, str]:
    """The value of `task.labels` for the entries of a file, and what was recognised beside its form, in words.

    Entries that are numbered from 1 are counted from 0: those of a GAP list, and those of a square without names that
    has every number from 1 to its size at most and the last one among them.
    Raises `ConfigError` naming file, line and value for rows of unequal length, and for entries that are no labels.
    """
    rows = [row.cells for row in matrix.rows]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise matrix.error(number, f"has {len(row)} entries where the first row has {len(rows[0])}")
        for cell in row:
            if isinstance(cell, int) and not 0 <= cell < MAX_TOKENS:
                raise matrix.error(number, f"{shortened(cell)} is no label: use 0 to {MAX_TOKENS - 1}, or names")
    said = ""
    numbers = [cell for row in rows for cell in row if isinstance(cell, int)]
    has_words = any(isinstance(cell, str) for row in rows for cell in row)
    is_square = len(rows) == len(rows[0])
    row_names, column_names = matrix.row_names, matrix.column_names
    is_plain = bool(numbers) and not has_words and row_names is None and column_names is None
    if is_plain and min(numbers) == 1 and (matrix.is_gap or (is_square and max(numbers) == len(rows))):
        rows = [tuple(cell - 1 if isinstance(cell, int) else cell for cell in row) for row in rows]
        said = "; entries are numbered from 1, and were counted from 0"
    if has_words and row_names is None and column_names is None:
        row_names = column_names = _names_of_first_row(rows)
        said += "; elements have the names of the first row" if row_names else ""
    try:
        stored = labels_of(rows, row_names, column_names)
    except ConfigError as error:
        raise ConfigError(f"{matrix.field}: {matrix.path}: {str(error).removeprefix(f'{matrix.field}: ')}") from None
    holes = sum(cell is None for row in rows for cell in row)
    return stored, said + (f"; {holes} pairs have no label and are left out" if holes else "")


def labels_of(
    rows: Sequence[Sequence[Cell]],
    row_names: Sequence[str] | None = None,
    column_names: Sequence[str] | None = None,
) -> Stored:
    """The value of `task.labels` for rows of labels.

    Arguments:
        rows: `[row][column]`, the label of the pair (row, column): a number from 0, a name, or None for a pair that is
            left out.
        row_names, column_names: of the operands; if only one of the two is given, the other operand has numbers.

    Raises `ConfigError` for rows of unequal length, for too many pairs or labels, and where no two pairs have labels.
    """
    import numpy as np

    width = len(rows[0]) if rows else 0
    for number, row in enumerate(rows):
        if len(row) != width or not width:
            raise ConfigError(f"task.labels: row {number} has {len(row)} entries: use as many as the first, {width}")
        for cell in row:
            is_number = isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < MAX_TOKENS
            is_name = isinstance(cell, str) and cell != ""
            if not (cell is None or is_name or is_number):
                raise ConfigError(
                    f"task.labels: row {number}: {shortened(cell)} is no label: use 0 to {MAX_TOKENS - 1}, a name, or "
                    "None"
                )
    if not 2 <= sum(cell is not None for row in rows for cell in row) <= MAX_EXAMPLES:
        size = f"{len(rows)} x {width} entries"
        raise ConfigError(f"task.labels: {size} are not accepted: use 2 to {MAX_EXAMPLES} pairs that have a label")
    for axis, names, size in (("row", row_names, len(rows)), ("column", column_names, width)):
        if names is not None and (len(names) != size or len(set(names)) != size or not all(names)):
            raise ConfigError(f"task.labels: {len(names)} {axis} names for {size} {axis}s: use another for each")
    has_words = any(isinstance(cell, str) for row in rows for cell in row)
    if row_names is None and column_names is None and not has_words:
        n_answers = 1 + max(cell for row in rows for cell in row if isinstance(cell, int))
        names = [str(token) for token in range(max(len(rows), width, n_answers))]
        left, right = range(len(rows)), range(width)
        tokens = [[-1 if cell is None else int(cell) for cell in row] for row in rows]
    else:
        of_rows = list(row_names) if row_names is not None else [str(i) for i in range(len(rows))]
        of_columns = list(column_names) if column_names is not None else [str(i) for i in range(width)]
        entries = _named_entries(rows, of_rows, of_columns)
        used = {name for row in entries for name in row if name is not None}
        every = list(dict.fromkeys([*of_rows, *of_columns, *(name for row in entries for name in row if name)]))
        answers = [name for name in every if name in used]
        if not has_words and all(name.isdecimal() for name in answers):
            answers.sort(key=int)
        names = [*answers, *(name for name in every if name not in used)]
        n_answers, place = len(answers), {name: token for token, name in enumerate(names)}
        left, right = [place[name] for name in of_rows], [place[name] for name in of_columns]
        tokens = [[-1 if name is None else place[name] for name in row] for row in entries]
    if len(names) > MAX_TOKENS:
        raise ConfigError(f"task.labels: {len(names)} different operands and labels: use at most {MAX_TOKENS}")
    if n_answers < 2:
        raise ConfigError("task.labels: every pair has the same label: use at least two")
    arrays = {name: np.array(value, dtype=np.int64) for name, value in
              (("labels", tokens), ("left", left), ("right", right))}  # fmt: skip
    return Stored.of(arrays, {"token_names": names, "n_answers": n_answers})


def _named_entries(
    rows: Sequence[Sequence[Cell]], of_rows: Sequence[str], of_columns: Sequence[str]
) -> list[list[str | None]]:
    """The name of every entry."""
    numbers = [cell for row in rows for cell in row if isinstance(cell, int)]
    are_elements = list(of_rows) == list(of_columns) and max(numbers, default=-1) < len(of_rows)
    if are_elements and numbers and not {str(number) for number in numbers} <= set(of_rows):
        return [[of_rows[cell] if isinstance(cell, int) else cell for cell in row] for row in rows]
    return [[None if cell is None else str(cell) for cell in row] for row in rows]


def _names_of_first_row(rows: Sequence[Sequence[Cell]]) -> list[str] | None:
    """The names of a square table of names whose first row and column are the same, as those of an identity are."""
    first = [str(cell) for cell in rows[0]]
    column = [str(row[0]) for row in rows]
    entries = {str(cell) for row in rows for cell in row}
    is_standard = first == column and len(set(first)) == len(first) and entries == set(first)
    return first if is_standard else None
