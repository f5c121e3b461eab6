"""Shared prefixes: which rows of a causal network have to be computed at all.

By causality the residual stream at position p depends on tokens 0 .. p alone. So for a batch of B
sequences position p needs one row per *distinct prefix* of length p + 1: 97 instead of 512 for `[x]`
and `[x, op]` of a two-operand task. And what layer 0 computes before it attends (embedding, LN1,
queries, keys, values) depends on one token and its position alone: one row per distinct
(token, position) pair, a *unigram*, serves all sequences of the task.

All of it is read off the token table. A position is shared where the whole table has fewer distinct
prefixes than the batch has examples; then every prefix of the table is computed, whether it is in the
batch or not, so that row counts, and with them every float, do not depend on which examples were drawn.

Where attention is bidirectional a position of a middle layer depends on the whole sequence. Then every position has
one row per example, and unigrams alone are shared. In a network of one layer only the last position asks, and it sees
the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config import ModelConfig


@dataclass(frozen=True, eq=False)
class Sequences:
    """Some sequences, where the keys of their positions are, and how many of their last positions attend."""

    keys: Int[Tensor, "position sequence"]
    """The row of each position of each sequence in a table of keys and values."""
    n_positions: int
    """How many of the last positions attend: the last one to every key, the one before it to one key less."""
    sees_all: bool = False
    """Whether each of them attends to every key instead."""

    def last(self) -> Sequences:
        """The same where the last position alone attends."""
        return replace(self, n_positions=1)

    def seen(self) -> Iterator[Int[Tensor, "key sequence"]]:
        """For every position that attends, in their order: the keys that it sees."""
        n_keys = len(self.keys)
        for position in range(n_keys - self.n_positions, n_keys):
            yield self.keys if self.sees_all else self.keys[: position + 1]


@dataclass(frozen=True, eq=False)
class Queries:
    """Rows at consecutive positions of the same sequences, position by position."""

    rows: slice
    """Among the rows of the batch."""
    unigrams: Sequences
    """Where their keys are in the table of unigrams (layer 0)."""
    prefixes: Sequences
    """Where their keys are in the table of rows (later layers)."""

    def last(self) -> Queries:
        """The rows at the last position alone."""
        n_sequences = self.prefixes.keys.shape[1]
        return Queries(slice(self.rows.stop - n_sequences, self.rows.stop), self.unigrams.last(), self.prefixes.last())


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one batch, position by position, and which of them hold each example's answer."""

    queries: tuple[Queries, ...]
    """Shared positions one by one, then all others together."""
    answer: Int[Tensor, "example"] | None
    """Row, among those of the last position, of each example; None: the i-th row is the i-th example's."""

    @property
    def last(self) -> Queries:
        """The rows that hold the answers."""
        return self.queries[-1].last()


class PrefixTable:
    """Distinct prefixes and unigrams of a token table.

    Arguments:
        tokens: of all examples.
        sees_all: positions of middle layers see the whole sequence, so that none of their rows are shared.
    """

    def __init__(self, tokens: Int[Tensor, "example position"], *, sees_all: bool = False) -> None:
        self.tokens, self.sees_all = tokens, sees_all
        self.ids: list[Int[Tensor, "example"]] = []
        """For each position, which distinct prefix every example has there."""
        self.examples: list[Int[Tensor, "prefix"]] = []
        """For each position, one example that has each distinct prefix."""
        unigram_tokens, unigram_positions, unigrams = [], [], []
        previous = torch.zeros_like(tokens[:, 0])
        start = 0
        for position, column in enumerate(tokens.unbind(1)):
            # A prefix is its parent prefix and one token more.
            _, previous = torch.unique(previous * (int(tokens.max()) + 1) + column, return_inverse=True)
            self.ids.append(previous)
            self.examples.append(_first_occurrence(previous))
            values, inverse = torch.unique(column, return_inverse=True)
            unigram_tokens.append(values)
            unigram_positions.append(torch.full_like(values, position))
            unigrams.append(inverse + start)
            start += len(values)
        self.unigram_tokens: Int[Tensor, "unigram"] = torch.cat(unigram_tokens)
        self.unigram_positions: Int[Tensor, "unigram"] = torch.cat(unigram_positions)
        self.unigrams: Int[Tensor, "position example"] = torch.stack(unigrams)

    def n_prefixes(self, position: int) -> int:
        """Number of distinct prefixes that end at a position, in the whole table."""
        return len(self.examples[position])

    def n_shared(self, n_examples: int, n_positions: int) -> int:
        """How many of the first positions have rows that the examples of a batch of this size share."""
        return 0 if self.sees_all else sum(self.n_prefixes(position) < n_examples for position in range(n_positions))

    def n_rows(self, n_examples: int) -> int:
        """Rows of a batch of this size, at all positions."""
        shared = self.n_shared(n_examples, self.tokens.shape[1])
        return sum(map(self.n_prefixes, range(shared))) + n_examples * (self.tokens.shape[1] - shared)

    def batch(self, examples: Int[Tensor, "example"]) -> Batch:
        """The rows that a batch of examples needs."""
        n_positions, n_examples = self.tokens.shape[1], len(examples)
        # Prefixes get no fewer as they get longer, so the shared positions come first.
        n_shared = self.n_shared(n_examples, n_positions)
        starts = [sum(self.n_prefixes(p) for p in range(position)) for position in range(n_shared + 1)]
        queries = []
        for position in range(n_shared):
            chosen = self.examples[position]
            index = [self.ids[key][chosen] + starts[key] for key in range(position)]
            queries.append(self._queries(chosen, index, [slice(starts[position], starts[position + 1])]))
        if n_shared < n_positions:
            index = [self.ids[key][examples] + starts[key] for key in range(n_shared)]
            ends = [starts[-1] + n_examples * i for i in range(n_positions - n_shared + 1)]
            queries.append(self._queries(examples, index, [slice(*pair) for pair in pairwise(ends)]))
        answer = self.ids[-1][examples] if n_shared == n_positions else None
        return Batch(tuple(queries), answer)

    def _queries(self, examples: Int[Tensor, "example"], looked_up: list[Tensor], own: list[slice]) -> Queries:
        """Rows `own` of the prefixes of some examples, whose shorter prefixes are in the rows `looked_up`."""
        n_keys = len(looked_up) + len(own)
        rows = slice(own[0].start, own[-1].stop)
        in_place = torch.arange(rows.start, rows.stop, device=examples.device).view(len(own), -1)
        keys = torch.cat([torch.stack(looked_up), in_place]) if looked_up else in_place
        of_unigrams, of_rows = self.unigrams[:n_keys, examples], keys
        return Queries(rows, *(Sequences(keys, len(own), self.sees_all) for keys in (of_unigrams, of_rows)))


def prefix_table(config: ModelConfig, tokens: Int[Tensor, "example position"]) -> PrefixTable:
    """The rows that a network needs of these sequences."""
    return PrefixTable(tokens, sees_all=config.attention_dir == "bidirectional" and config.n_layers > 1)


def _first_occurrence(ids: Int[Tensor, "example"]) -> Int[Tensor, "prefix"]:
    """The first index at which each of the values 0 .. max occurs."""
    order = torch.argsort(ids, stable=True)
    sorted_ids = ids[order]
    first = torch.ones_like(sorted_ids, dtype=torch.bool)
    first[1:] = sorted_ids[1:] != sorted_ids[:-1]
    return order[first]
