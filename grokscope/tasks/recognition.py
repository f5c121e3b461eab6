"""A table that happens to be a group's, up to names: which element each operand and answer stands for.

A table f is a group's up to names (isotopic to it) where there are maps to a group with

    answer(f(a, b)) = left(a) * right(b).

Three ways are tried, in this order; rows and columns without labels do not count.

    Z_n            answers are the residues 0 .. n-1, and answer(r) = r: sums of a function of a and one of b, such as
                   x + y + 3 and x^2 - y
    units mod p    the same for answer(r) = log r, without the rows and columns that hold nothing but 0: products of a
                   function of a and one of b, such as x * y and x^2 * y
    any group      each row and each column holds every answer once, but for rows and columns of one answer, as those of
                   0 in a table of x * y. With L(a) = f(a, b0) and R(b) = f(a0, b) for any a0 and b0, the table
                   u * v = f(L^-1(u), R^-1(v)) of the answers is that of a group, if f is a group's at all (Albert,
                   "Quasigroups I", 1943, theorem 2), and this says what each operand stands for

The first two need not be one-to-one (x and -x have the same square); `Operation.is_one_to_one` says whether they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from grokscope.groups import CyclicGroup, FiniteGroup, RecognisedGroup, UnitsModulo
from grokscope.groups.names import MAX_ORDER
from grokscope.groups.primes import is_prime
from grokscope.tasks.task import Operation


def recognised_operations(
    name: str,
    left: Int[np.ndarray, " row"],
    right: Int[np.ndarray, " column"],
    labels: Int[np.ndarray, "row column"],
    token_names: Sequence[str],
    n_answers: int,
) -> tuple[Operation, ...]:
    """The operation behind a table, if it is a group's up to names; none at all otherwise.

    Arguments:
        name: of the operation.
        left, right: the token of each row, and of each column.
        labels: the answer of each pair, in whose order the examples are; -1 where the pair is no example.
        token_names: of all tokens.
        n_answers: tokens 0 .. n_answers - 1 are the answers.
    """
    rows, columns = (labels >= 0).any(axis=1), (labels >= 0).any(axis=0)
    table, of_rows, of_columns = labels[rows][:, columns], left[rows], right[columns]
    if (table < 0).any():
        return ()  # pairs are missing here and there: what stands there cannot be told
    examples = np.arange(table.size)
    d_vocab = len(token_names)

    def operation(group: FiniteGroup, *places: tuple[np.ndarray, np.ndarray]) -> tuple[Operation, ...]:
        """The operation whose left and right operands and answers are these tokens, and stand for these elements."""
        elements = []
        for tokens, values in places:
            element = np.full(d_vocab, -1, dtype=np.int64)
            element[tokens] = values
            elements.append(element)
        return (Operation(name, group, elements[0], elements[1], elements[2], examples),)

    answers = np.arange(n_answers)
    if (split := _sum_modulo(table, of_columns, n_answers, 0)) is not None:
        return operation(CyclicGroup(n_answers), (of_rows, split[0]), (of_columns, split[1]), (answers, answers))
    if is_prime(n_answers) and n_answers > 2:
        some_rows, some_columns = (table != 0).any(axis=1), (table != 0).any(axis=0)
        units = table[some_rows][:, some_columns]
        if units.size and (units != 0).all():
            group = UnitsModulo(n_answers)
            log, inside = group.element_of_residue, (of_rows[some_rows], of_columns[some_columns])
            if (split := _sum_modulo(log[units], inside[1], n_answers - 1, 1)) is not None:
                return operation(group, (inside[0], split[0]), (inside[1], split[1]), (answers, log))
    some_rows, some_columns = _varies(table), _varies(table.T)
    inside = of_rows[some_rows], of_columns[some_columns]
    found = _any_group(table[some_rows][:, some_columns], token_names)
    if found is None:
        return ()
    group, of_left, of_right, used = found
    return operation(group, (inside[0], of_left), (inside[1], of_right), (used, np.arange(len(used))))


def _sum_modulo(
    elements: Int[np.ndarray, "row column"],
    columns: Int[np.ndarray, " column"],
    n: int,
    neutral: int,
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " column"]] | None:
    """Functions l of rows and r of columns with elements[a, b] = l(a) + r(b) mod n and r(neutral) = 0.

    None if there are none, or if one of them is constant. `neutral` is the token at which r is 0 where it is an
    operand, so that of x + y both are the identity.
    """
    zero = int(np.flatnonzero(columns == neutral)[0]) if neutral in columns else 0
    of_rows = elements[:, zero] % n
    of_columns = (elements[0] - elements[0, zero]) % n
    is_sum = np.array_equal((of_rows[:, None] + of_columns[None, :]) % n, elements % n)
    depends_on_both = len(set(of_rows.tolist())) > 1 and len(set(of_columns.tolist())) > 1
    return (of_rows, of_columns) if is_sum and depends_on_both else None


def _varies(table: Int[np.ndarray, "row column"]) -> np.ndarray:
    """Which rows hold more than one answer."""
    return (table != table[:, :1]).any(axis=1)


def _any_group(
    table: Int[np.ndarray, "row column"], token_names: Sequence[str]
) -> tuple[FiniteGroup, np.ndarray, np.ndarray, np.ndarray] | None:
    """A group, the elements of rows and of columns, and the answer that each element is; None if it is no group's."""
    order = len(table)
    if table.ndim != 2 or table.shape != (order, order) or not 2 <= order <= MAX_ORDER:
        return None
    used, elements = np.unique(table, return_inverse=True)
    elements = elements.reshape(table.shape)
    every = np.arange(order)
    if len(used) != order or not (
        (np.sort(elements, axis=1) == every).all() and (np.sort(elements, axis=0) == every[:, None]).all()
    ):
        return None
    of_rows, of_columns = elements[:, 0], elements[0]
    products = elements[np.ix_(np.argsort(of_rows), np.argsort(of_columns))]
    try:
        group = RecognisedGroup(products, labels=[str(token_names[int(token)]) for token in used])
    except ValueError:  # not associative
        return None
    return group, of_rows, of_columns, used
