"""The order in which contestants take their turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def in_turn(contestants: Iterable[T], turn: int) -> list[T]:
    """All contestants, backwards in every other turn, so that none always goes first."""
    return list(contestants)[:: 1 if turn % 2 == 0 else -1]
