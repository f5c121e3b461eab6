"""How a user writes a finite group: by name, by its elements as permutations, or by its Cayley table.

Here is what can be told from one row or one name alone. Whether rows are closed, and whether a table is
associative, takes the whole group; that is seen to when the task is built (`grokscope.tasks`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import factorial, prod

MAX_ORDER = 720
"""The largest group that a task accepts: that of S6, with 518,400 pairs."""
MAX_TABLE = 10_000
"""Rows of the largest Cayley table that is built, which takes 800 MB: the bound on cyclic and dihedral groups, and on
the modulus of a task."""

NAMES = "Zn, Dn (the 2n symmetries of the n-gon), Sn, An (n = 2..6), or products of them joined by x, as in Z3xS3"
"""What `factors` reads, in words."""

Rows = tuple[tuple[int, ...], ...]

_LONGEST_NAME = 100
"""Characters; a product of so many groups of order 2 is beyond every order that is accepted."""
_FACTOR = re.compile(r"([ZDSA])([1-9]\d{0,3})")


def factors(name: str) -> tuple[tuple[str, int], ...] | None:
    """A name such as "Z3xS3" as (("Z", 3), ("S", 3)); None if it is no such name."""
    if len(name) > _LONGEST_NAME:
        return None
    matches = [_FACTOR.fullmatch(part) for part in name.split("x")]
    parts = tuple((match[1], int(match[2])) for match in matches if match)
    if len(parts) < len(matches) or any(letter in "SA" and not 2 <= n <= 6 for letter, n in parts):
        return None
    return parts


def order_of(parts: Sequence[tuple[str, int]]) -> int:
    """Number of elements of the product of these factors."""
    orders = {"Z": lambda n: n, "D": lambda n: 2 * n, "S": factorial, "A": lambda n: factorial(n) // 2}
    return prod(orders[letter](n) for letter, n in parts)


def wrong_element(rows: Sequence[Sequence[int]]) -> tuple[int, str] | None:
    """The first row that is no permutation of the points of the first one, or that occurs twice, and why."""
    seen: dict[tuple[int, ...], int] = {}
    for number, row in enumerate(rows):
        degree = len(rows[0])
        if sorted(row) != list(range(degree)):
            hint = "; points are numbered from 0, not from 1" if sorted(row) == list(range(1, degree + 1)) else ""
            return number, f"is not a permutation of 0..{degree - 1}{hint}"
        first = seen.setdefault(tuple(row), number)
        if first != number:
            return number, f"occurs twice, as element {first} and as element {number}"
    return None


def wrong_table_row(rows: Sequence[Sequence[int]]) -> tuple[int, str] | None:
    """The first row of a table of n rows that does not hold every element 0..n-1 once, and why."""
    order = len(rows)
    for number, row in enumerate(rows):
        if len(row) != order:
            return number, f"has {len(row)} entries where the table has {order} rows"
        if sorted(row) != list(range(order)):
            outside = [entry for entry in row if not 0 <= entry < order]
            why = f"{outside[0]} is not an element" if outside else "an element occurs twice"
            return number, f"does not hold each of 0..{order - 1} once: {why}"
    return None
