"""One torch thread, repeatable hypothesis examples, and arrays checked against their annotated shapes."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, by child processes too
os.environ.setdefault("MPLBACKEND", "agg")
# Child processes find the package compiled by the first of them: compiling all of it takes most of a second of each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import sys
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import jaxtyping
import pytest
import torch
from beartype import beartype
from hypothesis import HealthCheck, settings
from jaxtyping import AbstractArray, install_import_hook

pytest_plugins = ["tests.browser", "tests.light_report", "tests.light_workers", "tests.ray_nodes"]

torch.set_num_threads(1)

settings.register_profile(
    "grokscope",
    derandomize=True,
    database=None,  # the examples are the same each time; there is nothing to remember
    deadline=None,  # machines differ
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("grokscope")


def _is_array(hint: Any) -> bool:
    """Whether a hint is an array, or an array or None. Arrays in a container may differ in size."""
    if get_origin(hint) in (Union, UnionType):
        return all(option is NoneType or _is_array(option) for option in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def check_arrays(function: Any) -> Any:
    """A jaxtyping type checker for arrays alone.

    Tests of bad input pass an argument of the wrong type on purpose, to see our own error; beartype would
    get there first.
    """
    hints = function.__annotations__
    if not any(map(_is_array, hints.values())):
        return function
    function.__annotations__ = {name: hint if _is_array(hint) else Any for name, hint in hints.items()}
    return beartype(function)


def _mentions_arrays(made: Any) -> bool:
    """Whether a function, or the constructor of a dataclass, has a hint that `check_arrays` would check."""
    function = made.__init__ if isinstance(made, type) else made
    return any(_is_array(_evaluated(hint, function)) for hint in getattr(function, "__annotations__", {}).values())


def _evaluated(hint: Any, function: Any) -> Any:
    """What a hint that was written as text stands for; the text itself where its names are for type checkers alone."""
    try:
        return eval(hint, function.__globals__) if isinstance(hint, str) else hint
    except Exception:  # as jaxtyping does
        return hint


_jaxtyped = jaxtyping.jaxtyped


def _jaxtyped_where_it_checks(*, typechecker: Any) -> Callable[[Any], Any]:
    """jaxtyping's decorator, for what has an array to check; anything else is left as it is.

    The hook decorates every function there is. Its wrapper binds the arguments of each call, which takes as long as all
    else that many tests do, and making it compiles two functions, for each function that is imported.
    """
    checked = _jaxtyped(typechecker=typechecker)
    return lambda made: checked(made) if _mentions_arrays(made) else made


jaxtyping.jaxtyped = _jaxtyped_where_it_checks
# The hook takes the checker by its name in a module that can be imported.
sys.modules["grokscope_check_arrays"] = sys.modules[__name__]
install_import_hook("grokscope", "grokscope_check_arrays.check_arrays")


@pytest.fixture(autouse=True)
def _one_thread():
    """A test that trains with more threads must not slow down the tests after it."""
    yield
    torch.set_num_threads(1)
