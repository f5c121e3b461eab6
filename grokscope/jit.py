"""Compiling loops to machine code at their first call, and where that code is kept for the next process.

numba keeps it in `__pycache__` beside the module; where that cannot be written, as in an installation for all users,
in the user's cache directory; and where neither can be written, in memory, so that every process compiles anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code at the first call with arguments of new types, kept on disk where there is a place for it."""
    # Sums may be reordered to fit vector registers; the order is then fixed in the code.
    options: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "error_model": "numpy"}
    plain = inspect.unwrap(function)  # an import hook that checks annotations wraps every function
    try:
        return numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(plain)
