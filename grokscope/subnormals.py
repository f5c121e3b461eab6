"""Numbers below the least normal one of their type count as zero while a network trains.

Of float32 that is 1.2e-38. Processors compute with smaller numbers in microcode, and a matrix product that meets them
takes fifty times as long. A network that collapses is full of them, and so is the gradient of one whose logits are far
apart. Threads of other libraries keep them, so that which number counts as zero would depend on who computed it: they
are kept where more than one thread trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

SUBNORMAL = 1e-40
"""A subnormal float32, and normal in float64."""


@contextmanager
def as_zero(threads: int) -> Iterator[None]:
    """Within the block, subnormal numbers count as zero on this thread if it is the only one, and else are kept."""
    before = are_zero()
    torch.set_flush_denormal(how(threads) == "zero")
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def are_zero() -> bool:
    """Whether subnormal numbers count as zero on this thread now."""
    return not bool(torch.tensor(SUBNORMAL) * torch.tensor(1.0))


def how(threads: int) -> str:
    """What training with so many threads does with subnormal numbers: zero, or kept."""
    return "zero" if threads == 1 and _possible() else "kept"


@cache
def _possible() -> bool:
    before = are_zero()
    possible = torch.set_flush_denormal(True)
    torch.set_flush_denormal(before)
    return possible
