"""Compiling loops to machine code at their first call, and where that code is kept for the next process.

numba keeps it in `__pycache__` beside the module; where that cannot be written, as in an installation for all users,
in the user's cache directory; and where neither can be written, in memory, so that every process compiles anew.

Compiled loops, and libraries that only a processor has, serve tensors in its memory; on other devices the same is done
by operations of torch (`loops_serve`). Those can be chosen on a processor too, which is how they are tested there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from torch import Tensor

_loops = True


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code at the first call with arguments of new types, kept on disk where there is a place for it."""
    # Sums may be reordered to fit vector registers; the order is then fixed in the code.
    options: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "error_model": "numpy"}
    plain = inspect.unwrap(function)  # an import hook that checks annotations wraps every function
    try:
        return numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(plain)


def loops_serve(tensor: Tensor) -> bool:
    """Whether what is done to this tensor is done by compiled loops; elsewhere, by operations of torch."""
    return _loops and tensor.device.type == "cpu"


@contextmanager
def operations_of_torch() -> Iterator[None]:
    """Inside the block, in every thread, nothing is done by compiled loops: as on a device that has none."""
    global _loops
    before, _loops = _loops, False
    try:
        yield
    finally:
        _loops = before
