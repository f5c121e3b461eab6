"""The group behind each task: every answer is a product in it."""

from __future__ import annotations

import numpy as np
import pytest

from grokscope.config import TaskConfig
from grokscope.tasks import build_task

TASKS = [
    *(
        TaskConfig(name=name, modulus=p, form=form)
        for name in ("add", "sub", "mul", "div", "square_sub")
        for p in (2, 3, 11)
        for form in ("x_op_y_eq", "x_y_eq")
    ),
    TaskConfig(name="mul"),
    TaskConfig(name="div"),
    TaskConfig(name="mixed", modulus=2),
    TaskConfig(name="mixed", modulus=11),
    TaskConfig(name="mixed", modulus=7, operations=("div", "sub")),
    TaskConfig(name="mixed", modulus=7, operations=("mul",)),
    TaskConfig(name="mixed", modulus=7, operations=("add", "square_sub", "div")),
    *(TaskConfig(name="permutation", degree=n) for n in (3, 4, 5)),
]


@pytest.mark.parametrize("config", TASKS, ids=lambda c: f"{c.name}-{c.modulus}-{c.degree}-{c.form}")
def test_every_answer_is_left_times_right_in_the_group(config):
    task = build_task(config)
    tokens, labels = task.tokens.numpy(), task.labels.numpy()
    seen = []
    for operation in task.operations:
        rows = operation.examples
        first, second = (tokens[rows, position] for position in task.operand_positions)
        left, right, answer = operation.left[first], operation.right[second], operation.answer[labels[rows]]
        elements = (left >= 0) & (right >= 0)
        assert np.array_equal(operation.group.table[left[elements], right[elements]], answer[elements])
        # Zero has no logarithm: under * and / it is no element, nor is an answer that it gives; all else is one.
        multiplicative = operation.name in ("mul", "div")
        zero = (first == 0) if multiplicative else np.zeros(len(rows), dtype=bool)
        assert np.array_equal(~elements, zero)
        assert np.array_equal(answer < 0, zero)
        seen.append(rows)
    assert np.array_equal(np.sort(np.concatenate(seen)), np.arange(task.n_examples))


@pytest.mark.parametrize("config", TASKS, ids=lambda c: f"{c.name}-{c.modulus}-{c.degree}-{c.form}")
def test_elements_and_answer_tokens_correspond_one_to_one(config):
    task = build_task(config)
    for operation in task.operations:
        for which in (operation.left, operation.right, operation.answer):
            assert which.shape == (task.d_vocab,)
            assert (which[task.n_answers :] == -1).all()  # `=` and operations stand for no element
            if operation.is_one_to_one or which is not operation.left:
                assert sorted(which[which >= 0]) == list(range(operation.group.order))
            assert (which[0] == -1) == (operation.name in ("mul", "div"))


@pytest.mark.parametrize("p", [3, 5, 11, 97])
def test_the_first_operand_of_square_sub_stands_for_its_square_which_it_shares_with_its_negative(p):
    (operation,) = build_task(TaskConfig(name="square_sub", modulus=p)).operations
    assert operation.group.name == build_task(TaskConfig(name="add", modulus=p)).group.name
    assert operation.left[:p].tolist() == [a * a % p for a in range(p)]
    assert operation.left[1:p].tolist() == operation.left[1:p][::-1].tolist()
    assert len(set(operation.left[:p].tolist())) == (p + 1) // 2
    assert operation.right[:p].tolist() == [-b % p for b in range(p)]
    assert operation.answer[:p].tolist() == list(range(p))
    assert not operation.is_one_to_one


def test_every_other_operation_has_one_token_for_each_element_in_each_place():
    for config in TASKS:
        for operation in build_task(config).operations:
            # Modulo 2 every number is its own square.
            expected = operation.name != "square_sub" or config.modulus == 2
            assert operation.is_one_to_one == expected


def test_right_operands_of_sub_and_div_are_inverted():
    for name, inverted in (("add", False), ("mul", False), ("sub", True), ("div", True)):
        operation = build_task(TaskConfig(name=name, modulus=11)).operations[0]
        element = operation.left >= 0
        products = operation.group.table[operation.left[element], operation.right[element]]
        assert (products == operation.group.identity).all() == inverted


def test_a_task_of_one_operation_has_a_group_and_others_have_none():
    orders = {"add": 11, "sub": 11, "mul": 10, "div": 10}
    for name, order in orders.items():
        task = build_task(TaskConfig(name=name, modulus=11))
        assert task.group is not None
        assert task.group.order == order
        left, right = task.operand_elements
        assert left is task.operations[0].left
        assert right is task.operations[0].right
    assert build_task(TaskConfig(name="permutation", degree=4)).group.order == 24
    assert build_task(TaskConfig(name="mixed", modulus=7, operations=("mul",))).group.order == 6
    for config in (TaskConfig(name="mixed", modulus=5), TaskConfig(name="parity", bits=4)):
        assert build_task(config).group is None
        assert build_task(config).operand_elements is None
    assert build_task(TaskConfig(name="parity", bits=4)).operations == ()
    assert [o.name for o in build_task(TaskConfig(name="mixed", modulus=5)).operations] == ["add", "sub", "mul", "div"]
