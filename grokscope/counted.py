"""A progress bar that says what it counts, and when it will have counted all of it."""

from __future__ import annotations

from typing import Any

LAYOUT = "{desc}: {bar} {n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left{postfix}"
"""How a bar looks on a terminal and in a log; a notebook draws its own bar in the middle of it."""


def counted(title: str, total: int, unit: str, *, done: int = 0, shown: bool = True, mininterval: float = 0.1) -> Any:
    """A tqdm bar of `total` things, `done` of which are there already; it is a context manager.

    Arguments:
        title: what is worked on, such as the name of a run.
        unit: one of the things that are counted, in the singular.
        shown: whether it is drawn at all.
        mininterval: seconds between two drawings at least.
    """
    from tqdm.auto import tqdm  # late: it looks for a notebook

    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=f" {unit}s",
        bar_format=LAYOUT,
        disable=not shown,
        mininterval=mininterval,
        dynamic_ncols=True,
    )
