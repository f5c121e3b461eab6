"""Argument checks whose errors name the argument, its value and what is accepted."""

import operator
from typing import Any

import numpy as np
from jaxtyping import Float

from grokscope.groups.names import MAX_TABLE


def checked_int(field: str, value: Any, low: int, high: int | None = None, what: str = "an integer") -> int:
    """`value` as an int in `low..high`; a ValueError naming `field` and `what` otherwise.

    `high`: left out, it is `MAX_TABLE`.
    """
    accepted = f">= {low}, up to {MAX_TABLE}" if high is None else f"in {low}..{high}"
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{field} = {value!r} is not an integer; {what} needs {field} {accepted}") from None
    if not low <= number <= (MAX_TABLE if high is None else high):
        raise ValueError(f"{field} = {number} is out of range; {what} needs {field} {accepted}")
    return number


def checked_function(f: Any, order: int, group_name: str) -> Float[np.ndarray, "element *rest"]:
    """`f` as a real float64 array whose axis 0 runs over the `order` elements of the group.

    Raises ValueError for complex or non-numeric values, for a wrong length of axis 0, and for NaN or
    infinity (a transform would spread it over every irrep).
    """
    raw = np.asarray(f)
    if not (np.issubdtype(raw.dtype, np.floating) or np.issubdtype(raw.dtype, np.integer) or raw.dtype == bool):
        raise ValueError(f"f has dtype {raw.dtype}; a function on {group_name} must be real-valued")
    if raw.ndim == 0 or raw.shape[0] != order:
        raise ValueError(f"f has shape {raw.shape}; axis 0 must run over the {order} elements of {group_name}")
    values = raw.astype(np.float64)
    if not np.isfinite(values).all():
        bad = int(np.size(values) - np.isfinite(values).sum())
        raise ValueError(f"f has {bad} values that are NaN or infinite; all must be finite")
    return values
