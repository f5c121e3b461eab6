"""Counts, lists, tasks and names of runs as they stand in a sentence, and tables as they stand in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isinf

import pandas as pd

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

TITLES = {"mul": "x · y", "add": "x + y", "sub": "x − y", "div": "x / y", "mixed": "mixed", "s5": "S5"}
"""What every task is called in figures and sentences, by its presets."""


def in_words(count: int) -> str:
    """A small count as a word, a larger one in digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def joined(items: Sequence[str]) -> str:
    """Some items, a, b and c; nothing of none."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def by_arm(names: Sequence[str]) -> list[str]:
    """Names of runs, those that differ by their seed alone as one: `mul-lion (seeds 0, 1, 4 to 9)`."""
    seeds: dict[str, list[int]] = {}
    for name in names:
        arm, _, seed = name.rpartition("-seed")
        seeds.setdefault(arm, []).append(int(seed))
    return [f"{arm} ({of_seeds(of)})" for arm, of in seeds.items()]


def of_seeds(seeds: Iterable[int]) -> str:
    """Some seeds in a sentence: `seed 0`, or `seeds 0, 1, 4 to 9`."""
    rising = sorted(set(seeds))
    return f"seed{'s' if len(rising) > 1 else ''} {', '.join(_in_spans(rising))}"


def _in_spans(seeds: Iterable[int]) -> Iterator[str]:
    """Numbers that rise, three and more that follow each other by their ends."""
    rows: list[list[int]] = []
    for seed in seeds:
        if rows and seed == rows[-1][-1] + 1:
            rows[-1].append(seed)
        else:
            rows.append([seed])
    for row in rows:
        yield span(row[0], row[-1]) if len(row) > 2 else ", ".join(map(str, row))


def span(least: int, most: int) -> str:
    """From one count to another: 5 to 39; one of them where they are the same."""
    return f"{least}" if least == most else f"{least} to {most}"


def interval(low: float, high: float, written: Callable[[float], str]) -> str:
    """Both ends as `written`: 850 to 7,380; an upper one that is not known is ∞."""
    return f"{written(low)} to {'∞' if isinf(high) else written(high)}"


def steps(value: float | None) -> str:
    """A number of steps; a dash where there is none."""
    return "–" if value is None or pd.isna(value) or value == float("inf") else f"{value:,.0f}"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table in Markdown; a bar in a cell is written as one that does not end it."""
    head, *body = (
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in (columns, *rows)
    )
    return [head, "|---" * len(columns) + "|", *body]
