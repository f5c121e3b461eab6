"""Frames: the groups in whose basis a network is read, the task's own and a wrong one as a control.

The own frame of an operation is the group that its answers are computed in. The wrong frame reads the same
tokens in the group of the other arithmetic: the units mod p for addition and subtraction, Z_p for
multiplication and division. A network has no reason to be sparse there, so an analysis of the wrong frame shows what
that analysis gives where there is no structure.

A mixed task embeds each number once for all its operations, so the wrong frame of one may be the own frame of
another. Then it is a control of the answers alone: in the embedding, and in layers that do not yet tell operations
apart, it shows what is there for the other operation. Groups without a counterpart (S_n) have no wrong frame; their
control is the relabelling null (`grokscope.analysis.checkpoint.null`), under which labels mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Int

from grokscope.config import TaskConfig
from grokscope.groups import FiniteGroup
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
class Frame:
    """One operation of a task, read in one group: answer = left * right.

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


def frames(task: Task) -> tuple[Frame, ...]:
    """Every frame of a task: for each operation its own, and the wrong one where there is one.

    Groups of one element have nothing to transform and are left out (the units mod 2).

    Operations whose tokens share group elements are left out too. Raises ValueError for a task whose answers are not
    computed in a group, and for one of which no operation is left.
    """
    if not task.operations:
        raise ValueError(
            f"task {task.name!r} has no group: its answers are not a product of two operands, so there is no "
            "Fourier basis to read it in; use a modular, permutation or group task"
        )
    one_to_one = [operation for operation in task.operations if operation.is_one_to_one]
    if not one_to_one:
        raise ValueError(
            f"task {task.name!r} has operands that share a group element, as a and -a share their square, so its "
            "tokens have no Fourier basis; use add, sub, mul, div, a permutation or a group task"
        )
    every = []
    for operation in one_to_one:
        every.append(_frame(operation, operation.name, "own"))
        if operation.name in COUNTERPART:
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


def has_group(run: Run) -> bool:
    """Whether an operation of the run's task has its answers computed in a group that a network can be read in."""
    return bool(groups_of(run))


def has_mlp(run: Run) -> bool:
    """Whether the run's network has neurons: not where it has attention only."""
    return not run.config.model.attention_only


def has_neurons(run: Run) -> bool:
    """Whether the run's network has neurons, and its task a group to read them in."""
    return has_mlp(run) and has_group(run)


def has_several_groups(run: Run) -> bool:
    """Whether the operations of the run's task compute in different groups, as addition and multiplication do."""
    return len(groups_of(run)) > 1


def groups_of(run: Run) -> dict[str, FiniteGroup]:
    """The groups of the own frames of a run's task by name."""
    readable = [operation for operation in run.task.operations if operation.is_one_to_one and operation.group.order > 1]
    return {operation.group.name: operation.group for operation in readable}


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
