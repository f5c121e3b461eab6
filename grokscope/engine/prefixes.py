"""Shared prefixes: which rows of a causal network have to be computed at all.

By causality the residual stream at position p depends on tokens 0 .. p alone. So for a batch of B
sequences position p needs one row per *distinct prefix* of length p + 1: 97 instead of 512 for `[x]`
and `[x, op]` of a two-operand task. And what layer 0 computes before it attends (embedding, LN1,
queries, keys, values) depends on one token and its position alone: one row per distinct
(token, position) pair, a *unigram*, serves all sequences of the task.

All of it is read off the token table. A position is shared where the whole table has fewer distinct
prefixes than the batch has examples; then every prefix of the table is computed, whether it is in the
batch or not, so that row counts, and with them every float, do not depend on which examples were drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.engine.attention import Keys


@dataclass(frozen=True, eq=False)
class Queries:
    """The rows at one position, and where each of them finds its keys: the rows of its prefix, itself last."""

    rows: slice
    """Among the rows of the batch."""
    unigrams: Keys
    """In the table of unigrams (layer 0)."""
    prefix: Keys
    """In the table of rows (later layers)."""

    @property
    def own_unigrams(self) -> Int[Tensor, "query"]:
        """The unigram that each row ends with."""
        return self.unigrams.index[-1]


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one batch, position by position, and which of them hold each example's answer."""

    queries: tuple[Queries, ...]
    answer: Int[Tensor, "example"] | None
    """Row, among those of the last position, of each example; None: the i-th row is the i-th example's."""


class PrefixTable:
    """Distinct prefixes and unigrams of a token table."""

    def __init__(self, tokens: Int[Tensor, "example position"]) -> None:
        self.tokens = tokens
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

    def batch(self, examples: Int[Tensor, "example"]) -> Batch:
        """The rows that a batch of examples needs."""
        n_positions, n_examples = self.tokens.shape[1], len(examples)
        # Prefixes get no fewer as they get longer, so the shared positions come first.
        n_shared = sum(self.n_prefixes(position) < n_examples for position in range(n_positions))
        sizes = [self.n_prefixes(p) if p < n_shared else n_examples for p in range(n_positions)]
        starts = [sum(sizes[:p]) for p in range(n_positions + 1)]
        queries = []
        for position in range(n_positions):
            chosen = self.examples[position] if position < n_shared else examples
            looked_up = range(min(position + 1, n_shared))
            index = [self.ids[key][chosen] + starts[key] for key in looked_up]
            prefix = Keys(
                torch.stack(index) if index else examples.new_empty((0, n_examples)),
                slice(starts[len(looked_up)], starts[position + 1]),
            )
            unigrams = Keys(self.unigrams[: position + 1, chosen], slice(0, 0))
            queries.append(Queries(slice(starts[position], starts[position + 1]), unigrams, prefix))
        answer = self.ids[-1][examples] if n_shared == n_positions else None
        return Batch(tuple(queries), answer)


def _first_occurrence(ids: Int[Tensor, "example"]) -> Int[Tensor, "prefix"]:
    """The first index at which each of the values 0 .. max occurs."""
    order = torch.argsort(ids, stable=True)
    sorted_ids = ids[order]
    first = torch.ones_like(sorted_ids, dtype=torch.bool)
    first[1:] = sorted_ids[1:] != sorted_ids[:-1]
    return order[first]
