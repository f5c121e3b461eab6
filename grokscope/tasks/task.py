"""What a task is: labelled token sequences, and the group in which each answer is computed.

`sequence` and `operand_positions` say how the tasks of two operands are written as tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.config.task import Form
from grokscope.groups import FiniteGroup
from grokscope.tasks.seeds import generator


@dataclass(frozen=True, eq=False)
class Operation:
    """The algebra behind some examples of a task: answer = left * right in `group`.

    `left`, `right` and `answer` map a token to the group element that it stands for in that place, -1
    where it stands for none (0 under multiplication; `=`). Subtraction and division are products too:
    there `right` maps a token to the inverse of its own element.
    """

    name: str
    group: FiniteGroup
    left: Int[np.ndarray, "d_vocab"]
    right: Int[np.ndarray, "d_vocab"]
    answer: Int[np.ndarray, "d_vocab"]
    examples: Int[np.ndarray, "example"]
    """Which examples of the task belong to this operation."""

    @property
    def is_one_to_one(self) -> bool:
        """Whether in each place every group element has one token: not where an operand acts through its square."""
        elements = np.arange(self.group.order)
        places = (self.left, self.right, self.answer)
        return all(np.array_equal(np.sort(place[place >= 0]), elements) for place in places)


@dataclass(frozen=True, eq=False)
class Task:
    """A finite labelled dataset of token sequences whose answer is read at the last position.

    Tokens 0 .. n_answers - 1 are the possible answers. Tensors live on the CPU.
    """

    name: str
    tokens: Int[Tensor, "example position"]
    labels: Int[Tensor, "example"]
    token_names: tuple[str, ...]
    n_answers: int
    operand_positions: tuple[int, ...]
    make_operations: Callable[[], tuple[Operation, ...]] = tuple
    """Builds `operations`, which is done when they are first asked for: training does without them."""
    train_indices: tuple[int, ...] | None = None
    """The examples that are trained on, where they are given; empty where they are not known."""
    notes: tuple[str, ...] = ()
    """What is to be said of the examples, in sentences: which pairs are left out, and why."""

    @property
    def n_examples(self) -> int:
        return self.tokens.shape[0]

    @property
    def n_positions(self) -> int:
        return self.tokens.shape[1]

    @property
    def d_vocab(self) -> int:
        return len(self.token_names)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The group operation behind every example; empty where there is none (parity)."""
        return self.make_operations()

    @property
    def group(self) -> FiniteGroup | None:
        """The group of the task's one operation; None for parity and for a mix of operations."""
        return self.operations[0].group if len(self.operations) == 1 else None

    @property
    def operand_elements(self) -> tuple[Int[np.ndarray, "d_vocab"], ...] | None:
        """For each operand, the group element that every token stands for (-1: none); None as for `group`."""
        if self.group is None:
            return None
        return self.operations[0].left, self.operations[0].right

    def split(self, train_fraction: float, seed: int) -> tuple[Int[Tensor, "train"], Int[Tensor, "val"]]:
        """Random disjoint train and validation indices: int(train_fraction * n) of n examples are trained on.

        The product is one of floating-point numbers, so that 0.29 of 100 examples are 28.

        The same seed gives the same split, whatever else a run draws. Where `train_indices` are given the split
        is those, in that order, and all others; nothing is drawn then, and one side may be empty. Raises
        `ConfigError` for indices that the task has not, and where a side of a draw would be empty.
        """
        if self.train_indices is not None:
            return self._given_split(self.train_indices)
        n_train = int(self.n_examples * train_fraction)
        if not 0 < n_train < self.n_examples:
            # Rounded up, so that the fraction that is named is accepted.
            enough = ceil(1e6 / self.n_examples + 1e-6) / 1e6
            raise ConfigError(
                f"task.train_fraction = {train_fraction} leaves {n_train} of {self.n_examples} examples of {self.name} "
                f"to train on: use at least {enough:g} and less than 1"
            )
        order = torch.randperm(self.n_examples, generator=generator(seed, "split"))
        return order[:n_train], order[n_train:]

    def mask(self, examples: Int[Tensor, "chosen"]) -> Bool[Tensor, "example"]:
        """Which of the task's examples are among the given ones, as those that a run was trained on."""
        chosen = torch.zeros(self.n_examples, dtype=torch.bool)
        chosen[examples] = True
        return chosen

    def _given_split(self, indices: tuple[int, ...]) -> tuple[Int[Tensor, "train"], Int[Tensor, "val"]]:
        if max(indices, default=0) >= self.n_examples:
            raise ConfigError(
                f"task.train_indices = {max(indices)} is not accepted: use numbers of examples of {self.name}, "
                f"0 to {self.n_examples - 1}"
            )
        train = torch.tensor(indices, dtype=torch.int64)
        is_val = torch.ones(self.n_examples, dtype=torch.bool)
        is_val[train] = False
        return train, is_val.nonzero().flatten()

    def __repr__(self) -> str:
        return f"<Task {self.name}: {self.n_examples} examples of {self.n_positions} tokens, {self.n_answers} answers>"


def sequence(
    x: Int[Tensor, "example"], y: Int[Tensor, "example"], equals: int, operation: int, form: Form
) -> Int[Tensor, "example position"]:
    """The token sequences of pairs (x, y): [x, operation, y, =], [x, y, =] or [x, y]."""
    columns = {"x": x, "op": torch.full_like(x, operation), "y": y, "eq": torch.full_like(x, equals)}
    return torch.stack([columns[part] for part in form.split("_")], dim=1)


def names_of_signs(operations: Sequence[str], form: Form) -> list[str]:
    """The tokens that follow the operands' own: `=`, then those of the operations, as far as the form has them."""
    parts = form.split("_")
    return ["="] * ("eq" in parts) + [*operations] * ("op" in parts)


def operand_positions(form: Form) -> tuple[int, int]:
    """Where x and y stand in a sequence."""
    parts = form.split("_")
    return parts.index("x"), parts.index("y")
