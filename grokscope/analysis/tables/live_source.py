"""Where the source of a live function is: the file of its module, or what was typed into a notebook."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

Constant = int | float | complex | str | bytes | bool | tuple | frozenset | None


def module_file(module: str) -> tuple[str, Path | None]:
    """The name of an imported module, that of a script that was started as a module included, and its file.

    The file is None where there is none, as in a notebook.
    """
    live = sys.modules.get(module)
    spec = getattr(live, "__spec__", None)
    file = getattr(live, "__file__", None)
    path = Path(file) if file is not None and Path(file).is_file() else None
    return (spec.name if module == "__main__" and spec is not None else module), path


def is_installed(path: Path) -> bool:
    """Whether a path is inside an installation of Python, which nobody edits between two analyses."""
    return any(path.is_relative_to(folder) for folder in _installations())


def is_followed(module: str) -> bool:
    """Whether the source of an imported module counts: that of this package, and what is not installed."""
    _, path = module_file(module)
    return path is not None and (module.partition(".")[0] == "grokscope" or not is_installed(path))


def _installations() -> list[Path]:
    return [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def text_of_interactive(function: Callable[..., object]) -> tuple[str, frozenset[str]]:
    """The source of a function that no file holds, with that of what it uses of its own surroundings.

    Returns: the text, and the names of the modules that what it uses was imported from.
    """
    texts: dict[str, str] = {}
    modules: set[str] = set()
    waiting: list[object] = [inspect.unwrap(function)]
    while waiting:
        value = waiting.pop()
        name = str(getattr(value, "__qualname__", value))
        if name in texts:
            continue
        texts[name] = _text(value)
        if not isinstance(value, FunctionType):
            continue
        for used in sorted(_names(value.__code__)):
            here = value.__globals__.get(used)
            if isinstance(here, ModuleType):
                modules.add(here.__name__)
            elif (home := getattr(here, "__module__", None)) not in (None, value.__module__, "builtins"):
                modules.add(str(home))
            elif isinstance(here, FunctionType | type):
                waiting.append(here)
            elif used in value.__globals__ and isinstance(here, Constant):
                texts[used] = repr(here)
    return "\n".join(f"{name}: {text}" for name, text in sorted(texts.items())), frozenset(modules)


def _text(value: object) -> str:
    try:
        return inspect.getsource(value)  # type: ignore[arg-type]
    except (OSError, TypeError):
        code = getattr(value, "__code__", None)
        return repr(value) if code is None else _of_code(code)


def _of_code(code: CodeType) -> str:
    """What a compiled function does: its instructions, names and constants, with those of functions in it."""
    constants = [_of_code(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return repr((code.co_code, code.co_names, constants))


def _names(code: CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
