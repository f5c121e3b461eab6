"""Which rows a batch of n examples computes, and which keys each of them sees: arrays that compiled loops read.

Rows are those of `prefixes`: one per distinct prefix of the whole table where there are fewer of those than examples,
one per example elsewhere, and always at the answer's position. Most of it depends on n alone and is laid out once;
`fill` writes what depends on which examples they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from grokscope.engine.prefixes import PrefixTable

Index = Int[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Queries:
    """Rows that attend: query i is row `own[i]` of a table and sees the rows keys[starts[i] : starts[i + 1]] of it."""

    own: Index
    starts: Index
    keys: Index

    def last(self, n: int) -> Queries:
        """The last n queries alone; they share memory with these."""
        begin = self.starts[-1 - n]
        return Queries(self.own[-n:], self.starts[-1 - n :] - begin, self.keys[begin:])

    @property
    def most_keys(self) -> int:
        return int(np.diff(self.starts).max())


class ExampleTable:
    """The tokens of a task as rows of tables, example by example.

    Arguments:
        table: distinct prefixes and unigrams of the task.
    """

    def __init__(self, table: PrefixTable) -> None:
        self.unigrams: Index = np.ascontiguousarray(table.unigrams.numpy().T)
        """[example, position]: which (token, position) pair."""
        self.prefixes: Index = np.stack([ids.numpy() for ids in table.ids], axis=1)
        """[example, position]: which of the distinct prefixes that end there."""
        self.sees_all = table.sees_all
        """Whether rows see all positions of their sequence, or those up to their own."""
        self.representatives: list[Index] = [examples.numpy() for examples in table.examples]
        """For each position, one example that has each distinct prefix."""

    @property
    def n_positions(self) -> int:
        return self.unigrams.shape[1]


class Plan:
    """The rows of any batch of n examples.

    Arguments:
        table: the examples of the task.
        n: how many of them are in a batch.
    """

    def __init__(self, table: ExampleTable, n: int) -> None:
        self.n, self._table = n, table
        counts = [len(examples) for examples in table.representatives[:-1]]
        # Prefixes get no fewer as they get longer, so the shared positions come first.
        self._shared = 0 if table.sees_all else sum(count < n for count in counts)
        sizes = [*counts[: self._shared], *[n] * (table.n_positions - self._shared)]
        self._first_rows = np.cumsum([0, *sizes])
        self.n_rows = int(self._first_rows[-1])
        starts = np.cumsum([0, *np.concatenate([np.full(size, self._seen(p)) for p, size in enumerate(sizes)])])
        rows = np.arange(self.n_rows)
        self.of_unigrams = Queries(np.empty_like(rows), starts, np.empty(starts[-1], dtype=np.int64))
        """The first layer: rows are queries to the table of unigrams."""
        self.of_rows = Queries(rows, starts, np.empty(starts[-1], dtype=np.int64))
        """Later layers: rows are queries to the table of rows."""
        for position in range(self._shared):
            self._write(position, table.representatives[position])

    def fill(self, examples: Index) -> None:
        """Write what depends on the examples, in place."""
        for position in range(self._shared, self._table.n_positions):
            self._write(position, examples)

    def _write(self, position: int, examples: Index) -> None:
        begin, end = self._first_rows[position : position + 2]
        keys = slice(self.of_rows.starts[begin], self.of_rows.starts[end])
        n_seen = self._seen(position)
        unigrams = self._table.unigrams[examples, :n_seen]
        self.of_unigrams.keys[keys].reshape(unigrams.shape)[...] = unigrams
        self.of_unigrams.own[begin:end] = unigrams[:, position]
        row_keys = self.of_rows.keys[keys].reshape(unigrams.shape)
        looked_up = min(position, self._shared)
        row_keys[:, :looked_up] = self._table.prefixes[examples, :looked_up] + self._first_rows[:looked_up]
        row_keys[:, looked_up:] = np.arange(end - begin)[:, None] + self._first_rows[looked_up:n_seen]

    def _seen(self, position: int) -> int:
        """How many positions a row at this one sees."""
        return self._table.n_positions if self._table.sees_all else position + 1
