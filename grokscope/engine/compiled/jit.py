"""Compiling loops to machine code at their first call, and where that code is kept for the next process."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code at the first call, kept on disk for the next process where there is a place for it."""
    # Sums may be reordered to fit vector registers; the order is then fixed in the code.
    options: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "error_model": "numpy"}
    plain = inspect.unwrap(function)  # an import hook that checks annotations wraps every function
    try:
        return numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(plain)
