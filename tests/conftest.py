"""One torch thread, repeatable hypothesis examples, and arrays checked against their annotated shapes."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, by child processes too
os.environ.setdefault("MPLBACKEND", "agg")

import sys
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import torch
from beartype import beartype
from hypothesis import HealthCheck, settings
from jaxtyping import AbstractArray, install_import_hook

pytest_plugins = ["tests.browser", "tests.ray_nodes"]

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


# The hook takes the checker by its name in a module that can be imported.
sys.modules["grokscope_check_arrays"] = sys.modules[__name__]
install_import_hook("grokscope", "grokscope_check_arrays.check_arrays")


@pytest.fixture(autouse=True)
def _one_thread():
    """A test that trains with more threads must not slow down the tests after it."""
    yield
    torch.set_num_threads(1)
