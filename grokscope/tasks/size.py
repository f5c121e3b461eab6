"""How large a task is, told from its config before any example is made: what estimates of memory start from."""

from __future__ import annotations

from dataclasses import dataclass

from grokscope.config.task import Form

INTEGER = 8
"""Bytes of a token."""


@dataclass(frozen=True)
class TaskSize:
    """Numbers of a task's examples and tokens; where they cannot be told without making the task, upper bounds."""

    n_examples: int
    prefixes: tuple[int, ...]
    """For each position, how many different sequences of tokens end there."""
    n_unigrams: int
    """Different pairs of a position and a token in it."""
    d_vocab: int
    n_answers: int

    @property
    def n_positions(self) -> int:
        return len(self.prefixes)

    @property
    def bytes(self) -> int:
        """Memory that tokens and labels take while they are made: about three times as much as afterwards."""
        return INTEGER * self.n_examples * (3 * self.n_positions + 6)


def size_of_pairs(
    n_examples: int,
    n_left: int,
    form: Form,
    *,
    n_right: int | None = None,
    n_elements: int | None = None,
    n_answers: int | None = None,
    n_operations: int = 1,
) -> TaskSize:
    """The size of a task of two operands.

    Arguments:
        n_examples: those of all operations.
        n_left: tokens that are the left operand.
        form: of the sequences.
        n_right: tokens that are the right operand; left out: as many.
        n_elements: tokens that are an operand or an answer; left out: those of the left operand.
        n_answers: tokens that are an answer; left out: all of those.
        n_operations: operations, each with a token where the form has one.
    """
    n_elements = n_left if n_elements is None else n_elements
    of_parts = {"x": n_left, "op": n_operations, "y": n_left if n_right is None else n_right, "eq": 1}
    prefixes, n_unigrams, sequences = [], 0, 1
    for part in form.split("_"):
        # An upper bound: of some operations not every pair is an example.
        sequences *= of_parts[part]
        n_unigrams += of_parts[part]
        prefixes.append(min(sequences, n_examples))
    parts = form.split("_")
    d_vocab = n_elements + ("eq" in parts) + n_operations * ("op" in parts)
    return TaskSize(n_examples, tuple(prefixes), n_unigrams, d_vocab, n_elements if n_answers is None else n_answers)
