"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

SIMILAR = 0.6
"""The share of letters in common (`difflib.SequenceMatcher.ratio`) from which on a name is near another."""
_LONGEST = 100
"""Characters of a name that is compared with others: to compare takes the time of a product of lengths."""

_LISTED = 16
"""Names that are listed one by one. Of more it is said what they begin with."""


def near(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The names that are near one, the nearest first, at most `count`; often none.

    Names with a dot in them go by their last part too: `W_E` and `max_nrom` are near `embed.W_E` and `norms.max_norm`.
    Where nothing else is near, names that begin with the whole of it are: `mul-lion` for `mul`.
    """
    if len(name) > _LONGEST:
        return []
    known = list(dict.fromkeys(known))
    leaf = name.rpartition(".")[2]
    exact = [full for full in known if full.rpartition(".")[2] == leaf]
    whole = difflib.get_close_matches(name, known, count, SIMILAR)
    by_leaf: dict[str, list[str]] = {}
    for full in known:
        by_leaf.setdefault(full.rpartition(".")[2], []).append(full)
    leaves = [full for one in difflib.get_close_matches(leaf, by_leaf, count, SIMILAR) for full in by_leaf[one]]
    begun = [full for full in known if name and full.startswith((f"{name}.", f"{name}-"))]
    return (list(dict.fromkeys([*exact, *whole, *leaves])) or begun)[:count]


def hint(name: str, known: Iterable[str], what: str) -> str:
    """`nearest: a, b`, or, where nothing is near, what there is: `presets: a, b, c`."""
    known = list(known)
    found = near(name, known)
    return f"nearest: {', '.join(found)}" if found else f"{what}: {_in_short(known)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to write instead of a name that is not known: the nearest, or what there is."""
    known = list(known)
    found = near(name, known, 1)
    return f"did you mean {found[0]}?" if found else f"use {_in_short(known)}"


def _in_short(known: list[str]) -> str:
    """All names; of many, how many there are and what they begin with: `140 of model.*, optimizer.*`."""
    if len(known) <= _LISTED:
        return ", ".join(known)
    # By the first part, with the separator that ends it; what stands there alone is named in full.
    groups: dict[str, list[str]] = {}
    for name in known:
        groups.setdefault(re.sub(r"(?<=[.-]).+", "*", name, count=1), []).append(name)
    shown = [names[0] if len(names) == 1 else group for group, names in groups.items()]
    more = ", ..." if len(shown) > _LISTED else ""
    return f"{len(known)} of {', '.join(shown[:_LISTED])}{more}"
