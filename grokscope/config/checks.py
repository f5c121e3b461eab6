"""Checks of single values: an error names the setting, the value, and what would be accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, get_args

from grokscope.config.parameter_groups import ScopeName, is_pattern
from grokscope.config.references import path_and_digest
from grokscope.groups.names import MAX_ORDER, Rows

LARGEST_NUMBER = 1e15
"""The largest number that a setting takes where its check names no other bound: a norm, a radius, a rate. Its square
can be summed in float32 over all entries of a network."""
LARGEST_COUNT = 10**9
"""The largest integer that a setting takes where its check names no other bound. Most count steps: so many take eleven
days at a thousand a second."""

DEEPEST = 10
"""Levels of lists and tables inside one another: a list of tables of groups in a sweep's grid has five."""

_LONGEST_VALUE = 200
"""Characters of a value in a message; a Cayley table would fill the screen."""


class ConfigError(ValueError):
    """A setting that cannot be run; the message names field, value and what is accepted."""


def refuse(name: str, value: object, accepted: str) -> NoReturn:
    """Raise `ConfigError`; a long value is cut in its message."""
    raise ConfigError(f"{name} = {shortened(value)} is not accepted: {accepted}")


def shortened(value: object) -> str:
    """A value as a message shows it: cut where it is long, and its type where Python would not write it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists thousands deep
        return f"({type(value).__name__})"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def is_too_deep(value: object) -> bool:
    """Whether lists, tuples and tables are inside one another more than `DEEPEST` levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | tuple | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | tuple | dict)
        ]
    return bool(level)


def choice(name: str, value: object, allowed: object) -> None:
    """One of the names of a `Literal`."""
    names = get_args(allowed)
    if value not in names:
        refuse(name, value, f"use one of {', '.join(names)}")


def integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """An integer, and no boolean, from `low` to `high`; left out: to `LARGEST_COUNT`."""
    most = LARGEST_COUNT if high is None else high
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= most:
        span = f"an integer >= {low}, up to {most}" if high is None else f"an integer from {low} to {high}"
        refuse(name, value, f"use {span}")


def number(
    name: str, value: object, low: float, high: float = LARGEST_NUMBER, *, open_low: bool, open_high: bool = False
) -> None:
    """A number from `low` to `high`, of which an open end is not accepted itself."""
    # What is not a number, and infinity, fail the comparisons; an integer that no float holds can be compared.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (value > low if open_low else value >= low)
        or not (value < high if open_high else value <= high)
    ):
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        refuse(name, value, f"use a finite number in {left}{low:g}, {high:g}{right}")


def positive(name: str, value: object) -> None:
    """A number > 0, up to `LARGEST_NUMBER`."""
    number(name, value, 0.0, open_low=True)


def averaging_pair(name: str, value: object) -> None:
    """Two averaging coefficients in [0, 1)."""
    if not isinstance(value, tuple) or len(value) != 2:
        refuse(name, value, "use two numbers")
    for beta in value:
        number(name, beta, 0.0, 1.0, open_low=False, open_high=True)


def group_values(name: str, value: object, groups: tuple[str, ...]) -> None:
    """Pairs of a parameter group, each once, and a number > 0."""
    accepted = f"use pairs of a group ({', '.join(groups)}), each once, and a number > 0"
    if not isinstance(value, tuple):
        refuse(name, value, accepted)
    seen = set()
    for pair in value:
        if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] not in groups or pair[0] in seen:
            refuse(name, value, accepted)
        positive(f"{name} of {pair[0]}", pair[1])
        seen.add(pair[0])


def group_choices(name: str, value: object, groups: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Pairs of a parameter group, each once, and one of some options."""
    accepted = f"use pairs of a group ({', '.join(groups)}), each once, and one of {', '.join(options)}"
    seen = set()
    for pair in value if isinstance(value, tuple) else (None,):
        known = isinstance(pair, tuple) and len(pair) == 2 and pair[0] in groups and pair[1] in options
        group = pair[0] if isinstance(pair, tuple) and pair else None
        if not known or group in seen:
            refuse(name, value, accepted)
        seen.add(group)


def group_names(name: str, value: object, allowed: object) -> None:
    """A tuple of one or more names of a `Literal`."""
    if not isinstance(value, tuple) or not value:
        refuse(name, value, f"name one or more of {', '.join(get_args(allowed))}")
    for item in value:
        choice(name, item, allowed)


def scope_entries(name: str, value: object) -> None:
    """A tuple of one or more names of groups or patterns of parameter names."""
    groups = ", ".join(get_args(ScopeName))
    accepted = f"name one or more of {groups}, or parameters by a pattern such as blocks.*.mlp.W_in"
    if not isinstance(value, tuple) or not value:
        refuse(name, value, accepted)
    for entry in value:
        if not isinstance(entry, str) or not (entry in get_args(ScopeName) or is_pattern(entry)):
            refuse(name, entry, accepted)


def trace_reference(name: str, value: object) -> None:
    """The name of a file with a trace and its digest, PATH@SHA256."""
    if not isinstance(value, str) or not all(path_and_digest(value)):
        refuse(name, value, "use PATH@SHA256, the file of a trace and its sha256, as `Trace.save` returns it")


def boolean(name: str, value: object) -> None:
    """True or False."""
    if not isinstance(value, bool):
        refuse(name, value, "use true or false")


def check_rows(name: str, rows: object, wrong: Callable[[Rows], tuple[int, str] | None]) -> None:
    """Tuples of integers, as many as an accepted group has elements, none of them `wrong`."""
    if rows is None:
        return
    if not isinstance(rows, tuple) or not all(isinstance(row, tuple) and row for row in rows):
        refuse(name, rows, "use a tuple of tuples of integers, a row per element")
    for place, row in enumerate(rows):
        if any(type(entry) is not int for entry in row):
            refuse(f"{name}[{place}]", row, "use integers")
    if not 2 <= len(rows) <= MAX_ORDER:
        raise ConfigError(f"{name} has {len(rows)} rows, one per element: use a group of 2 to {MAX_ORDER} elements")
    first_wrong = wrong(rows)
    if first_wrong is not None:
        place, why = first_wrong
        refuse(f"{name}[{place}]", rows[place], f"use every element once; this row {why}")


def check_indices(indices: object) -> None:
    """Distinct numbers of examples."""
    if not isinstance(indices, tuple):
        refuse("task.train_indices", indices, "use a tuple of integers >= 0")
    seen: set[int] = set()
    for index in indices:
        integer("task.train_indices", index, 0)
        if index in seen:
            refuse("task.train_indices", index, "use every example once; this one occurs twice")
        seen.add(index)


def check_names(name: str, value: object) -> None:
    """A tuple of different texts."""
    are_texts = isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)
    if not are_texts or len(set(value)) != len(value):  # type: ignore[arg-type]
        refuse(name, value, "use different texts, one per element")
