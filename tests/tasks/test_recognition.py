"""Tables that are a group's up to names are recognised, and what they say of operands and answers is true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from grokscope.config import TaskConfig
from grokscope.groups import CyclicGroup, RecognisedGroup, UnitsModulo, group_by_name
from grokscope.tasks import build_task
from grokscope.tasks.recognition import recognised_operations

POINTS = list(itertools.permutations(range(3)))
S3 = np.array([[POINTS.index(tuple(a[i] for i in b)) for b in POINTS] for a in POINTS])


def formula(text, n):
    return build_task(TaskConfig(name="expression", expression=text, modulus=n))


def check(task, operation):
    """Every example whose operands are elements has the product of those for an answer."""
    a, b = (task.tokens[torch.from_numpy(operation.examples), place].numpy() for place in task.operand_positions)
    left, right = operation.left[a], operation.right[b]
    inside = (left >= 0) & (right >= 0)
    answers = operation.answer[task.labels.numpy()]
    assert inside.any()
    assert np.array_equal(operation.group.table[left[inside], right[inside]], answers[inside])
    return int(inside.sum())


@pytest.mark.parametrize(
    ("text", "n", "kind", "pairs"),
    [
        ("x + y", 12, CyclicGroup, 144),
        ("x - y", 7, CyclicGroup, 49),
        ("x + y + 3", 12, CyclicGroup, 144),
        ("2 * x + 3 * y", 7, CyclicGroup, 49),
        ("x^3 + y", 5, CyclicGroup, 25),  # 3 is prime to 4: cubes are one to one
        ("x * y", 7, UnitsModulo, 36),
        ("x / y", 7, UnitsModulo, 36),
        ("3 * x * y", 7, UnitsModulo, 36),
        ("x^5 * y^-1", 7, UnitsModulo, 36),
        ("x * y + x", 7, UnitsModulo, 36),  # x (y + 1)
        ("x * y + x + y", 7, RecognisedGroup, 36),  # (x + 1)(y + 1) - 1, where -1 swallows everything
    ],
)
def test_formulas_of_a_group_are_recognised_and_one_to_one(text, n, kind, pairs):
    task = formula(text, n)
    (operation,) = task.operations
    assert isinstance(operation.group, kind)
    assert operation.is_one_to_one
    assert check(task, operation) == pairs


@pytest.mark.parametrize(("text", "named"), [("x + y", "add"), ("x - y", "sub"), ("x * y", "mul"), ("x / y", "div")])
def test_a_formula_of_a_named_task_has_its_elements(text, named):
    (own,), (other,) = formula(text, 11).operations, build_task(TaskConfig(name=named, modulus=11)).operations  # type: ignore[arg-type]
    assert own.group.name == other.group.name
    for place in ("left", "right", "answer"):
        assert np.array_equal(getattr(own, place)[:11], getattr(other, place)[:11])


@pytest.mark.parametrize("text", ["x^2 - y", "x^2 + y^2", "x^2 * y"])
def test_operands_that_act_through_a_square_are_told_apart_from_elements(text):
    task = formula(text, 7)
    (operation,) = task.operations
    assert not operation.is_one_to_one
    check(task, operation)


@pytest.mark.parametrize(
    ("text", "n"),
    [("x^2 + x*y + y^2", 7), ("x/y if y odd else x-y", 7), ("x * y", 12), ("x * y + x^2", 7), ("x if x > y else y", 5),
     ("x", 7), ("x + 0 * y", 6)],
)  # fmt: skip
def test_what_is_no_group_is_not_taken_for_one(text, n):
    assert formula(text, n).operations == ()


@pytest.mark.parametrize("name", ["S3", "D4", "Z2xZ2", "Z6", "A4"])
def test_a_group_is_found_under_any_renaming_of_operands_and_answers(name):
    group, rng = group_by_name(name), np.random.default_rng(3)
    n = group.order
    left, right, answer = (rng.permutation(n) for _ in range(3))
    labels = answer[group.table[np.ix_(left, right)]]
    names = [f"t{i}" for i in range(2 * n + 1)]
    (operation,) = recognised_operations("table", np.arange(n), np.arange(n, 2 * n), labels, names, n)
    assert operation.is_one_to_one
    assert (operation.group.order, operation.group.is_abelian) == (n, group.is_abelian)
    assert sorted(operation.group.element_orders) == sorted(group.element_orders)
    found = operation.group.table[np.ix_(operation.left[:n], operation.right[n : 2 * n])]
    assert np.array_equal(operation.answer[labels], found)


def test_a_group_beside_a_zero_that_swallows_everything_is_found():
    rows = np.zeros((7, 7), dtype=np.int64)
    rows[1:, 1:] = S3 + 1
    (operation,) = recognised_operations("table", np.arange(7), np.arange(7), rows, [str(i) for i in range(8)], 7)
    assert operation.group.name == "S3"
    assert (operation.left[0], operation.right[0], operation.answer[0]) == (-1, -1, -1)


def test_a_latin_square_that_is_no_group_and_missing_pairs_are_not_taken_for_one():
    # The smallest loop that is no group has 5 elements.
    loop = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])
    assert recognised_operations("table", np.arange(5), np.arange(5), loop, list("abcde="), 5) == ()
    holed = S3.copy()
    holed[2, 3] = -1
    assert recognised_operations("table", np.arange(6), np.arange(6), holed, list("abcdef="), 6) == ()


def test_rows_without_labels_do_not_count():
    rows = np.vstack([np.full(6, -1), S3])
    (operation,) = recognised_operations("table", np.arange(7), np.arange(6), rows, list("abcdefg="), 6)
    assert (operation.group.name, operation.left[0], len(operation.examples)) == ("S3", -1, 36)
