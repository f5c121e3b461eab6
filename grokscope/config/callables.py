"""What a callable that a user gives is recorded as: a text that tells it from others, and executes nothing."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any


def described(function: Callable[..., Any]) -> str:
    """Module and qualified name of a callable, with the settings that it carries: `my.scaled(factor=0.5)`.

    Settings are the arguments of a `functools.partial`, the variables that a function inside another one has from
    there, and the fields of a dataclass whose instance is called, as far as they are numbers, texts or None, or lists
    of such. An instance goes by its class, a method by the class that it belongs to.
    """
    if isinstance(function, functools.partial):
        arguments = {str(place): value for place, value in enumerate(function.args)} | function.keywords
        return _with_settings(described(function.func), arguments)
    if not hasattr(function, "__qualname__"):
        kind, settings = type(function), {}
        if dataclasses.is_dataclass(function):
            settings = {one.name: getattr(function, one.name) for one in dataclasses.fields(function)}
        return _with_settings(f"{kind.__module__}.{kind.__qualname__}", settings)
    name = f"{getattr(function, '__module__', None)}.{function.__qualname__}"
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    return _with_settings(name, dict(_variables(code, cells)) if code is not None and cells else {})


def is_plain(value: object) -> bool:
    """Whether a value is a number, a text or None, or a list or tuple of such."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _with_settings(name: str, settings: dict[str, Any]) -> str:
    shown = [f"{key}={value!r}" for key, value in settings.items() if is_plain(value)]
    return f"{name}({', '.join(shown)})" if shown else name


def _variables(code: Any, cells: Any) -> Any:
    """The variables that an inner function has from outside; one that is not yet set is left out."""
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue
