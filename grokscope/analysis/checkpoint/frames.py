"""Frames: the groups in whose basis a network is read, the task's own and a wrong one as a control.

The own frame of an operation is the group that its answers are computed in. The wrong frame reads the same
tokens in the group of the other arithmetic: the units mod p for addition and subtraction, Z_p for
multiplication and division. A network has no reason to be sparse there, so an analysis of the wrong frame shows what
that analysis gives where there is no structure.

A mixed task embeds each number once for all its operations, so the wrong frame of one may be the own frame of
another. Then it is a control of the answers alone: in the embedding, and in layers that do not yet tell operations
apart, it shows what is there for the other operation. Groups without a counterpart (S_n) have no wrong frame; their
control is the relabelling null (`grokscope.analysis.checkpoint.null`), under which labels mean nothing.

A basis by choice (`Run.in_basis`) reads the operands of any task of two numbers as residues: in Z_n (`additive`) or
among the units mod a prime n (`multiplicative`), token i as the residue i, whatever the answers are computed in. What
looks at operands and neurons can be read there; what looks at answers as products a * b cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Int

from grokscope.config import TaskConfig
from grokscope.groups import CyclicGroup, FiniteGroup, UnitsModulo, is_prime
from grokscope.runs.reader import BasisChoice
from grokscope.tasks import Operation, Task, build_task

if TYPE_CHECKING:
    from grokscope.runs import Run

Basis = Literal["own", "wrong"]
COUNTERPART: dict[str, Literal["add", "sub", "mul", "div"]] = {
    "add": "mul",
    "sub": "div",
    "mul": "add",
    "div": "sub",
}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Examples of a task that are read together, where no group is known of them."""

    name: str
    examples: Int[np.ndarray, " example"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One operation of a task, read in one group: answer = left * right, unless the basis is one by choice.

    `left`, `right` and `answer` hold the token that stands for each group element in that place.
    """

    operation: str
    basis: Basis
    group: FiniteGroup
    left: Int[np.ndarray, " element"]
    right: Int[np.ndarray, " element"]
    answer: Int[np.ndarray, " element"]

    @property
    def keys(self) -> dict[str, str]:
        """The columns that say, in a table, which frame a row is about."""
        return {"operation": self.operation, "basis": self.basis, "group": self.group.name}


def frames(task: Task, choice: BasisChoice | None = None) -> tuple[Frame, ...]:
    """Every frame of a task: for each operation its own, and the wrong one where there is one.

    With a `choice`, the frames are those of the operands as residues: the chosen one stands as the own frame, and the
    other one, where n is a prime, as the wrong frame.

    Groups of one element have nothing to transform and are left out (the units mod 2).

    Operations whose tokens share group elements are left out too. Raises ValueError for a task whose answers are not
    computed in a group, and for one of which no operation is left.
    """
    if choice is not None:
        return _chosen_frames(task, choice)
    by_choice = "; its operands can be read in a basis by choice: --basis additive, or run.in_basis('additive')"
    if not task.operations:
        raise ValueError(
            f"task {task.name!r} has no group: its answers are not a product of two operands, so there is no "
            "Fourier basis to read it in; use a modular, permutation or group task"
            + (by_choice if len(task.operand_positions) == 2 else "")
        )
    one_to_one = [operation for operation in task.operations if operation.is_one_to_one]
    if not one_to_one:
        raise ValueError(
            f"task {task.name!r} has operands that share a group element, as a and -a share their square, so its "
            f"tokens have no Fourier basis; use add, sub, mul, div, a permutation or a group task{by_choice}"
        )
    every = []
    for operation in one_to_one:
        every.append(_frame(operation, operation.name, "own"))
        if operation.name in COUNTERPART and is_prime(task.n_answers):
            # The counterpart's dataset is not used: only which element each number stands for.
            other = TaskConfig(name=COUNTERPART[operation.name], modulus=task.n_answers, form="x_y_eq")
            every.append(_frame(build_task(other).operations[0], operation.name, "wrong"))
    every = [frame for frame in every if frame.group.order > 1]
    if not any(frame.basis == "own" for frame in every):
        raise ValueError(
            f"task {task.name!r} has the group {task.operations[0].group.name} of one element: "
            "nothing depends on its operands"
        )
    own = {frame.operation for frame in every if frame.basis == "own"}
    return tuple(frame for frame in every if frame.operation in own)


def read_together(task: Task, choice: BasisChoice | None = None) -> tuple[Operation | Pairs, ...]:
    """The examples that a frame is about: of each operation, or, without any and in a basis by choice, all of them."""
    if choice is None or len(task.operations) > 1:
        return task.operations
    return (Pairs(task.name, np.arange(task.n_examples)),)


def has_group(run: Run) -> bool:
    """Whether an operation of the run's task has its answers computed in a group that a network can be read in.

    Never in a basis by choice, in which answers are no products.
    """
    return bool(groups_of(run))


def has_basis(run: Run) -> bool:
    """Whether there is a group that the run's operands can be read in: the task's, or that of a basis by choice."""
    return run.basis is not None or has_group(run)


def has_mlp(run: Run) -> bool:
    """Whether the run's network has neurons: not where it has attention only."""
    return not run.config.model.attention_only


def has_neurons(run: Run) -> bool:
    """Whether the run's network has neurons, and its task a group to read them in."""
    return has_mlp(run) and has_group(run)


def has_neurons_in_basis(run: Run) -> bool:
    """Whether the run's network has neurons, and a group, the task's or that of a basis by choice, to read them in."""
    return has_mlp(run) and has_basis(run)


def has_several_groups(run: Run) -> bool:
    """Whether the operations of the run's task compute in different groups, as addition and multiplication do."""
    return len(groups_of(run)) > 1


def groups_of(run: Run) -> dict[str, FiniteGroup]:
    """The groups of the own frames of a run's task by name; none in a basis by choice."""
    if run.basis is not None:
        return {}
    readable = [operation for operation in run.task.operations if operation.is_one_to_one and operation.group.order > 1]
    return {operation.group.name: operation.group for operation in readable}


def _chosen_frames(task: Task, choice: BasisChoice) -> tuple[Frame, ...]:
    """The frames in which token i is the residue i modulo the number of answers.

    Raises ValueError for a task whose operands are no such residues, and for a multiplicative basis of no prime.
    """
    n = task.n_answers
    positions = list(task.operand_positions)
    if len(positions) != 2 or int(task.tokens[:, positions].max()) >= n:
        raise ValueError(
            f"task {task.name!r} cannot be read in the {choice} basis: that is for two operands that are numbers "
            f"modulo the number of answers, here 0 to {n - 1}"
        )
    if choice == "multiplicative" and (not is_prime(n) or n < 3):
        raise ValueError(
            f"task {task.name!r} cannot be read in the multiplicative basis: {n} is not an odd prime, so that its "
            "residues but for 0 are not all units; use --basis additive"
        )
    additive, every = CyclicGroup(n), np.arange(n)
    of_basis: dict[str, tuple[FiniteGroup, Int[np.ndarray, " element"]]] = {"additive": (additive, every)}
    if is_prime(n) and n > 2:
        units = UnitsModulo(n)
        of_basis["multiplicative"] = (units, units.residue_of_element.copy())
    chosen_first = sorted(of_basis.items(), key=lambda item: item[0] != choice)
    return tuple(
        Frame(pairs.name, "own" if name == choice else "wrong", group, tokens, tokens, tokens)
        for pairs in read_together(task, choice)
        for name, (group, tokens) in chosen_first
    )


def _frame(operation: Operation, name: str, basis: Basis) -> Frame:
    order = operation.group.order
    left, right, answer = (
        tokens_of(elements, order) for elements in (operation.left, operation.right, operation.answer)
    )
    return Frame(name, basis, operation.group, left, right, answer)


def tokens_of(elements: Int[np.ndarray, " token"], order: int) -> Int[np.ndarray, " element"]:
    """The token that stands for each element 0 .. order - 1, given the element of every token (-1: none).

    Raises ValueError for an element that no token stands for.
    """
    token = np.full(order, -1)
    token[elements[elements >= 0]] = np.flatnonzero(elements >= 0)
    if (token < 0).any():
        raise ValueError(f"no token stands for the group element {int(np.argmin(token))}")
    return token
